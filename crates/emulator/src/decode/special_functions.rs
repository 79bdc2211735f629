//! Functions that are called in other ways than by their name alone, and the frames of those that call themselves.

use std::collections::HashSet;

use crate::program::Slot;
use warpbook_ptx::isa::Mnemonic;
use warpbook_ptx::{Function, Initializer, Instruction, Module, Operand};

/// Bytes of local memory of each thread that frames may take together.
pub(crate) const STACK_BYTES: u32 = 32 << 10;

/// Functions of a module that are called in other ways than by their name alone.
#[derive(Default)]
pub(super) struct SpecialFunctions<'a> {
    /// Functions that may call themselves, through others too.
    recursive: HashSet<&'a str>,
    /// Functions whose address is taken, in the order of the module.
    pub pointed_to: Vec<&'a Function>,
}

/// A function that is decoded behind the kernel's code.
pub(super) struct OutOfLine<'a> {
    /// The function as the text declares it.
    pub function: &'a Function,
    /// Numbers of the calls of it: where each returns to.
    pub calls: Vec<u32>,
}

/// The frame of the function that is being decoded, where that lies behind the kernel's code.
pub(super) struct Frame {
    /// The register with the frame's offset in local memory.
    pub base: Slot,
    /// Calls and returns from calls in the function: they keep and restore its registers.
    pub calls: Vec<usize>,
}

/// The callee that an instruction names.
fn callee(instruction: &Instruction) -> Option<&str> {
    if instruction.opcode.mnemonic() != Some(Mnemonic::Call) {
        return None;
    }
    instruction
        .operands
        .iter()
        .find_map(|operand| if let Operand::Name(name) = operand { Some(name.as_str()) } else { None })
}

impl<'a> SpecialFunctions<'a> {
    pub fn new(module: &'a Module) -> Self {
        let has_body = |function: &&Function| !function.is_entry && function.body.is_some();
        let functions: Vec<&Function> = module.functions.iter().filter(has_body).collect();
        if functions.is_empty() {
            return Self::default();
        }
        let mut taken: HashSet<&str> = HashSet::new();
        for instruction in module.instructions().filter(|own| own.opcode.mnemonic() == Some(Mnemonic::Mov)) {
            if let Some(Operand::Name(name)) = instruction.operands.get(1) {
                taken.insert(name);
            }
        }
        for variable in &module.variables {
            if let Some(Initializer::WithSymbols(_, symbols)) = &variable.initializer {
                taken.extend(symbols.iter().map(|(_, name, _)| name.as_str()));
            }
        }
        let pointed_to: Vec<&Function> =
            functions.iter().copied().filter(|function| taken.contains(function.name.as_str())).collect();
        // A call of what is no function's name may call each whose address is taken.
        let calls = |function: &Function| -> Vec<usize> {
            let mut called = Vec::new();
            for name in function.instructions().filter_map(callee) {
                match functions.iter().position(|known| known.name == name) {
                    Some(index) => called.push(index),
                    None if module.function(name).is_none() => {
                        called.extend(
                            pointed_to.iter().filter_map(|own| functions.iter().position(|f| f.name == own.name)),
                        );
                    }
                    None => {}
                }
            }
            called
        };
        let edges: Vec<Vec<usize>> = functions.iter().map(|function| calls(function)).collect();
        let reaches_itself = |start: usize| {
            let (mut seen, mut open) = (vec![false; edges.len()], edges[start].clone());
            while let Some(next) = open.pop() {
                if !std::mem::replace(&mut seen[next], true) {
                    open.extend(&edges[next]);
                }
            }
            seen[start]
        };
        let recursive = (0..functions.len()).filter(|&index| reaches_itself(index));
        Self { recursive: recursive.map(|index| functions[index].name.as_str()).collect(), pointed_to }
    }

    pub fn is_recursive(&self, name: &str) -> bool {
        self.recursive.contains(name)
    }

    /// True if a frame may be needed.
    pub fn need_a_stack(&self) -> bool {
        !self.recursive.is_empty()
    }
}
