//! From an opcode to what decodes it. Each family of instructions has a file of its own.

use super::Decoder;
use super::call::return_label;
use super::carry::Carry;
use super::modifiers::Modifiers;
use crate::lanes::lanes;
use crate::program::{Long, Op};
use warpbook_diagnostic::Result;
use warpbook_ptx::{Instruction, Operand};

impl Decoder<'_> {
    /// Decodes one instruction into one or more operations.
    pub(super) fn select(&mut self, instruction: &Instruction) -> Result<()> {
        let text = instruction.opcode.to_string();
        let (name, mut m) = Modifiers::new(&text);
        let o = &instruction.operands[..];
        if matches!(name, "add" | "sub" | "mad" | "addc" | "subc" | "madc")
            && let Some(carry) = Carry::of(name, &mut m)
        {
            self.with_carry(name.trim_end_matches('c'), carry, &mut m, o)?;
            return self.all_taken(&m, instruction);
        }
        match name {
            "ld" | "ldu" => self.load(&mut m, o)?,
            "st" => self.store(&mut m, o)?,
            "atom" | "red" => self.atomic(name, &mut m, o)?,
            "cp" => self.copy_async(&mut m, o)?,
            "ldmatrix" | "stmatrix" => self.matrix_memory(name, &mut m, o)?,
            "mma" => self.mma(&mut m, o)?,
            "wgmma" => self.wgmma(&mut m, o)?,
            "tcgen05" => self.tensor_memory(&mut m, o)?,
            "mbarrier" => self.mbarrier(&mut m, o)?,
            "tensormap" => self.tensor_map(&mut m, o)?,
            "setmaxnreg" if m.take_any(&["inc", "dec"]).is_some() => {
                // Registers are not scarce here.
                while m.take_any(&["sync", "aligned", "u32"]).is_some() {}
                self.emit(Op::Nothing);
            }
            "cvta" => self.convert_address(&mut m, o)?,
            "mapa" => self.map_address(&mut m, o)?,
            "getctarank" => self.rank_of(&mut m, o)?,
            "isspacep" => self.is_space(&mut m, o)?,
            "createpolicy" => {
                // Of caches, too: loads and stores take any.
                while m.take_any(&["fractional", "b64"]).is_some() || m.take_prefixed("L2::").is_some() {}
                let policy = self.long_constant(0);
                let d = self.long_out(o, 0)?;
                self.emit(Op::Unary64(lanes!(Long; |a: Long| a), d, policy));
            }
            "prefetch" | "prefetchu" | "applypriority" | "discard" => {
                // Hints about caches, which are not modelled.
                self.emit(Op::Nothing);
                return Ok(());
            }
            "add" | "sub" | "mul" | "div" | "rem" | "min" | "max" | "and" | "or" | "xor" | "shl" | "shr" => {
                self.binary(name, &mut m, o)?;
            }
            "mul24" => return Err(self.unsupported("`mul24`")),
            "fma" | "mad" => self.multiply_add(name, &mut m, o)?,
            "neg" | "abs" | "not" | "cnot" | "popc" | "clz" | "brev" | "bfind" | "ex2" | "lg2" | "rcp" | "rsqrt"
            | "sqrt" | "sin" | "cos" | "tanh" => self.unary(name, &mut m, o)?,
            "prmt" => self.permute(&mut m, o)?,
            "shf" => self.funnel_shift(&mut m, o)?,
            "lop3" => self.logic3(&mut m, o)?,
            "bfe" | "bfi" => self.bit_field(name, &mut m, o)?,
            "sad" => self.sum_of_difference(&mut m, o)?,
            "dp4a" => self.dot4(&mut m, o)?,
            "dp2a" => self.dot2(&mut m, o)?,
            "copysign" => self.copy_sign(&mut m, o)?,
            "cvt" => self.convert(&mut m, o)?,
            "mov" => self.mov(&mut m, o)?,
            "setp" => self.set_predicate(&mut m, o)?,
            "set" => self.set_word(&mut m, o)?,
            "selp" => self.select_by_predicate(&mut m, o)?,
            "testp" => self.test(&mut m, o)?,
            "shfl" => self.shuffle(&mut m, o)?,
            "vote" => self.vote(&mut m, o)?,
            "match" => self.matching(&mut m, o)?,
            "redux" => self.reduce(&mut m, o)?,
            "elect" => self.elect(&mut m, o)?,
            "activemask" => {
                m.take("b32");
                let d = self.word_out(o, 0)?;
                self.emit(Op::ActiveMask { d });
            }
            "bar" | "barrier" => self.barrier(name, &mut m, o)?,
            "membar" | "fence" => self.fence(&mut m, o)?,
            "bra" => {
                m.take("uni");
                let Some(Operand::Name(label)) = o.first() else { return Err(self.malformed("expected a label")) };
                let label = self.label(label);
                self.branch(label);
            }
            "brx" if m.take("idx") => {
                m.take("uni");
                self.branch_by_index(o, instruction.guard.is_some())?;
            }
            "ret" => {
                m.take("uni");
                match self.inlined.last() {
                    Some(id) => self.branch(return_label(*id)),
                    None => self.emit(Op::Exit),
                }
            }
            "exit" => self.emit(Op::Exit),
            "trap" => self.emit(Op::Trap),
            "brkpt" | "pmevent" | "nanosleep" => {
                m.take("u32");
                self.emit(Op::Nothing);
            }
            // A grid begins when the one before it has ended.
            "griddepcontrol" if m.take_any(&["wait", "launch_dependents"]).is_some() => self.emit(Op::Nothing),
            "call" => self.call(&mut m, o, instruction.guard.is_some())?,
            _ => return Err(self.unsupported(format!("`{}`", instruction.opcode))),
        }
        self.all_taken(&m, instruction)
    }

    /// Refuses a modifier that nothing has asked for.
    fn all_taken(&self, m: &Modifiers<'_>, instruction: &Instruction) -> Result<()> {
        match m.rest() {
            [] => Ok(()),
            [first, ..] => Err(self.unsupported(format!("`.{first}` of `{}`", instruction.opcode))),
        }
    }
}
