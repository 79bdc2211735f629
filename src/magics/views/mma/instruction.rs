//! The tensor-core instructions of a PTX text, with what is known of their operands.

use std::sync::Arc;

use warpbook_gpu::InstructionDescriptor;
use warpbook_ir::layout::{Layout, Unsupported, accumulator_fragment, operand_fragment};
use warpbook_ptx::Operand;
use warpbook_ptx::evaluate::{self, Known};
use warpbook_ptx::isa::{MmaKind, Mnemonic, Opcode};

/// Families of instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `mma.sync`
    Mma,
    /// `wgmma.mma_async`
    Wgmma,
    /// `tcgen05.mma`
    Tcgen05,
    /// `ldmatrix`, `stmatrix`
    Matrix,
}

/// Where the matrix of an operand lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In registers, with their names as in the PTX.
    Registers(String),
    /// In shared memory, by a descriptor, if its value is known.
    Shared(Option<u64>),
    /// In tensor memory, at an address, if it is known.
    TensorMemory(Option<u64>),
}

/// One matrix instruction of the PTX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Its line in the PTX, from 1.
    pub line: u32,
    /// The opcode with all modifiers.
    pub opcode: Arc<Opcode>,
    /// The family that the opcode belongs to.
    pub family: Family,
    /// M, N and K; for `tcgen05.mma` as its descriptor says.
    pub shape: Option<[u32; 3]>,
    /// Bits of an element of A and B.
    pub bits: u32,
    /// Where operand A lies.
    pub a: Place,
    /// Where operand B lies.
    pub b: Place,
    /// Where the accumulator D lies.
    pub d: Place,
    /// The instruction descriptor of `tcgen05.mma`.
    pub descriptor: Option<u32>,
    /// True if A and B are transposed, as `wgmma`'s immediates say.
    pub transposed: [bool; 2],
    /// Operands that the text does not decide.
    pub undecided: Vec<Undecided>,
}

/// An operand whose value is known when the kernel runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// Its place among the operands: D, A, B, the instruction descriptor of `tcgen05.mma`.
    pub operand: usize,
    /// The register that it is made of.
    pub register: String,
    /// Bytes or columns that are added to the base.
    pub offset: i64,
}

impl Instruction {
    /// True if the instruction multiplies matrices, rather than loads, stores or copies one.
    pub fn is_product(&self) -> bool {
        self.family != Family::Matrix
    }

    /// An operand's value, as a launch had it.
    pub fn decide(&mut self, which: &Undecided, register: u64) {
        let value = register.wrapping_add_signed(which.offset);
        match which.operand {
            3 => self.set_descriptor(value as u32),
            operand => {
                let place = [&mut self.d, &mut self.a, &mut self.b].into_iter().nth(operand);
                if let Some(Place::Shared(held) | Place::TensorMemory(held)) = place {
                    *held = Some(value);
                }
            }
        }
    }

    /// The instruction descriptor of `tcgen05.mma`, and what it says.
    fn set_descriptor(&mut self, value: u32) {
        self.descriptor = Some(value);
        let descriptor = InstructionDescriptor(value);
        self.shape = Some([descriptor.m(), descriptor.n(), 256 / self.bits.max(1)]);
        self.transposed = descriptor.is_mn_major();
    }
}

/// The matrix instructions of a PTX text, in its order. Fails if the text is not valid PTX.
pub fn parse_instructions(text: &str) -> warpbook_diagnostic::Result<Vec<Instruction>> {
    let module = warpbook_ptx::parse(text)?;
    let mut found = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for function in &module.functions {
        evaluate::walk(function, &module.variables, &mut |instruction, known| {
            let Some(family) = family(&instruction.opcode) else { return };
            if instruction.span.start >= counted {
                line += text[counted..instruction.span.start].matches('\n').count() as u32;
                counted = instruction.span.start;
            }
            found.push(from_ptx(instruction, family, line, known));
        });
    }
    Ok(found)
}

fn family(opcode: &Opcode) -> Option<Family> {
    use Mnemonic as M;
    Some(match opcode.mnemonic()? {
        M::Mma | M::MmaSparse => Family::Mma,
        M::WgmmaMmaAsync | M::WgmmaMmaAsyncSparse => Family::Wgmma,
        M::Tcgen05Mma | M::Tcgen05MmaSparse | M::Tcgen05MmaWs | M::Tcgen05MmaWsSparse => Family::Tcgen05,
        M::LdMatrix | M::StMatrix => Family::Matrix,
        _ => return None,
    })
}

fn names(operand: &Operand) -> String {
    match operand {
        Operand::Vector(parts) => parts.iter().map(names).collect::<Vec<_>>().join(","),
        Operand::Name(name) => name.clone(),
        _ => String::new(),
    }
}

fn from_ptx(instruction: &warpbook_ptx::Instruction, family: Family, line: u32, known: &Known) -> Instruction {
    let operands = &instruction.operands;
    let place = |at: usize| match operands.get(at) {
        Some(operand @ Operand::Vector(_)) => Place::Registers(names(operand)),
        Some(operand @ Operand::Address(_)) => Place::TensorMemory(known.value(operand)),
        Some(operand) => Place::Shared(known.value(operand)),
        None => Place::Registers(String::new()),
    };
    let opcode = instruction.opcode.clone();
    let number = |at: usize| operands.get(at).and_then(|operand| known.value(operand));
    let shape = shape(&opcode);
    let mut bits = opcode.matrix_element_bits().unwrap_or(0);
    let (mut descriptor, mut transposed) = (None, [false; 2]);
    let deciding: &[usize] = match family {
        Family::Wgmma => &[1, 2],
        Family::Tcgen05 => &[0, 1, 2, 3],
        Family::Mma | Family::Matrix => &[],
    };
    let undecided = deciding.iter().filter_map(|&operand| undecided(operand, operands.get(operand)?, known)).collect();
    let (d, a, b) = match family {
        Family::Wgmma => {
            // D, A, B, scale of D, signs of A and B, and whether they are transposed: A only where it has a descriptor.
            let flags: Vec<bool> = (6..8).map(|at| number(at) == Some(1)).collect();
            let has_a = matches!(operands.get(1), Some(operand) if !matches!(operand, Operand::Vector(_)));
            transposed = if has_a { [flags[0], flags[1]] } else { [false, flags[0]] };
            (place(0), place(1), place(2))
        }
        Family::Tcgen05 => {
            descriptor = number(3);
            // A row of A is 32 bytes.
            bits = 256 / opcode.matrix_kind().unwrap_or(MmaKind::F16).k() as u32;
            (place(0), place(1), place(2))
        }
        _ => (place(0), place(1), place(2)),
    };
    let mut found = Instruction { line, opcode, family, shape, bits, a, b, d, descriptor: None, transposed, undecided };
    if let Some(value) = descriptor {
        found.set_descriptor(value as u32);
    }
    found
}

/// An operand without a value, and what decides it.
fn undecided(operand: usize, given: &Operand, known: &Known) -> Option<Undecided> {
    if known.value(given).is_some() {
        return None;
    }
    let (register, offset) = match given {
        Operand::Name(name) => (name, 0),
        Operand::NameOffset(name, offset) => (name, *offset),
        Operand::Address(address) => (address.base.as_ref()?, address.offset),
        _ => return None,
    };
    Some(Undecided { operand, register: register.clone(), offset })
}

/// M, N and K, where the opcode names all three.
fn shape(opcode: &Opcode) -> Option<[u32; 3]> {
    let shape = opcode.matrix_shape()?;
    Some([shape.m.into(), shape.n.into(), shape.k?.into()])
}

/// The fragments of an opcode: name and layout. None for what keeps its operands elsewhere.
pub fn fragments(opcode: &Opcode) -> Result<Vec<(String, Layout)>, Unsupported> {
    let Some([m, n, k]) = shape(opcode) else { return Ok(Vec::new()) };
    let is_warp_group = match family(opcode) {
        Some(Family::Wgmma) => true,
        Some(Family::Mma) => false,
        _ => return Ok(Vec::new()),
    };
    let element = opcode.matrix_element_bits().unwrap_or(0);
    let fits = [m, n, k].iter().all(|extent| extent.is_power_of_two() || is_warp_group) && m >= 8 && n >= 8 && k >= 4;
    if element == 0 || !fits {
        return Err(Unsupported(format!("fragments of m{m}n{n}k{k}")));
    }
    let warps = if is_warp_group { 4 } else { 1 };
    // An instruction of 24 columns, say, is drawn as the power of two above it.
    let accumulator = (format!("C and D, {m}×{n}"), accumulator_fragment(m, n.next_power_of_two(), warps));
    let k_width = (32 / element).max(1);
    let a = (format!("A, {m}×{k}"), operand_fragment(false, m, k, k_width, warps));
    if is_warp_group {
        return Ok(vec![a, accumulator]);
    }
    Ok(vec![a, (format!("B, {k}×{n}"), operand_fragment(true, n, k, k_width, 1)), accumulator])
}

/// The number that the reader knows an instruction by.
pub fn number_of(instructions: &[Instruction], at: usize) -> usize {
    instructions[..at].iter().filter(|instruction| instruction.is_product()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The element in a register of a lane.
    fn element(opcode: &str, fragment: usize, lane: u32, register: u32) -> Vec<u32> {
        let fragments = fragments(&Opcode::parse(opcode)).unwrap_or_else(|error| panic!("{error:?}"));
        fragments[fragment].1.element(warpbook_ir::layout::Place { lane, register, ..Default::default() })
    }

    #[test]
    fn fragments_are_those_of_the_ptx_isa() {
        // PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type": group = lane >> 2.
        let f16 = "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32";
        assert_eq!(element(f16, 0, 5, 1), [1, 3]);
        assert_eq!(element(f16, 0, 5, 2), [9, 2]);
        assert_eq!(element(f16, 0, 5, 4), [1, 10]);
        assert_eq!(element(f16, 1, 5, 2), [10, 1]);
        assert_eq!(element(f16, 2, 5, 3), [9, 3]);
        let tf32 = "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32";
        assert_eq!((element(tf32, 0, 5, 1), element(tf32, 0, 5, 2)), (vec![9, 1], vec![1, 5]));
        let s8 = "mma.sync.aligned.m16n8k32.row.col.satfinite.s32.s8.s8.s32";
        assert_eq!(element(s8, 0, 5, 8), [1, 20]);
        // "Matrix Fragments for mma.m8n8k4 with .f64", and two registers of f16 for k8.
        let f64 = "mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64";
        assert_eq!(
            (element(f64, 0, 6, 0), element(f64, 1, 6, 0), element(f64, 2, 6, 1)),
            (vec![1, 2], vec![2, 1], vec![1, 5])
        );
        let k8 = "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32";
        assert_eq!(
            (element(k8, 0, 5, 2), fragments(&Opcode::parse(k8)).expect("drawn")[0].1.places().register),
            (vec![9, 2], 4)
        );
        let fp4 = "mma.sync.aligned.kind::mxf4.block_scale.scale_vec::2X.m16n8k64.row.col.f32.e2m1.e2m1.f32.ue8m0";
        assert_eq!(element(fp4, 0, 5, 16), [1, 40]);
        assert!(
            fragments(&Opcode::parse("ldmatrix.sync.aligned.m8n8.x4.shared.b16")).is_ok_and(|found| found.is_empty())
        );
    }

    #[test]
    fn operands_are_read() {
        let text = ".version 8.0
.target sm_90a
.address_size 64
.visible .entry k()
{
  .reg .b32 %r<20>;
  .reg .b64 %rd<20>;
  mov.b64 %rd1, 4611686293305294848;
  mov.b64 %rd2, 4611686293305294850;
  wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%r1,%r2,%r3,%r4}, %rd1, %rd2, 1, 1, 1, 0, 1;
  exit;
}";
        let found = parse_instructions(text).expect("parsed");
        assert_eq!((found.len(), found[0].line, found[0].shape), (1, 10, Some([64, 8, 16])));
        assert_eq!(
            (found[0].a.clone(), found[0].transposed),
            (Place::Shared(Some(4611686293305294848)), [false, true])
        );
        assert_eq!((found[0].d.clone(), found[0].bits), (Place::Registers("%r1,%r2,%r3,%r4".into()), 16));
    }
}
