//! Names: registers by block, variables, parameters, labels, functions.

use std::collections::HashSet;
use std::ops::Range;

use crate::ast::{Function, Module, Statement};
use crate::types::{PtxType, Space};
use rustc_hash::FxHashMap;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    /// A register of a type.
    Register(PtxType),
    /// A variable in a state space.
    Variable(Space),
    /// A parameter of the function, which is read only.
    Parameter,
    /// A function of the module.
    Function,
    /// A label of a block.
    Label,
}

#[derive(Default)]
struct Block<'a> {
    names: FxHashMap<&'a str, Meaning>,
    /// `%r` of `.reg .b32 %r<10>;`
    ranges: FxHashMap<&'a str, (PtxType, u32)>,
}

/// The names that are known at an instruction.
pub(super) struct Scope<'a> {
    blocks: Vec<Block<'a>>,
}

impl<'a> Scope<'a> {
    /// The names of a module.
    pub fn new(module: &'a Module) -> Self {
        let mut block = Block::default();
        for variable in &module.variables {
            block.names.insert(&variable.name, Meaning::Variable(variable.space));
        }
        for function in &module.functions {
            block.names.insert(&function.name, Meaning::Function);
        }
        Self { blocks: vec![block] }
    }

    /// Enters a function: its parameters and return values.
    pub fn enter_function(&mut self, function: &'a Function) {
        let mut block = Block::default();
        for (param, is_return) in
            function.params.iter().map(|param| (param, false)).chain(function.returns.iter().map(|param| (param, true)))
        {
            let meaning = match (param.is_register, is_return) {
                (true, _) => Meaning::Register(param.ty),
                (false, false) => Meaning::Parameter,
                (false, true) => Meaning::Variable(Space::Param),
            };
            block.names.insert(&param.name, meaning);
        }
        self.blocks.push(block);
    }

    /// Enters a block: its labels are known from its beginning.
    pub fn enter(&mut self, statements: &'a [Statement]) {
        let mut block = Block::default();
        for statement in statements {
            if let Statement::Label(name, _) = statement {
                block.names.insert(name, Meaning::Label);
            }
        }
        self.blocks.push(block);
    }

    /// Leaves a block or a function.
    pub fn leave(&mut self) {
        self.blocks.pop();
    }

    /// Declares a variable or a register; false if the block has the name already.
    pub fn declare(&mut self, name: &'a str, meaning: Meaning) -> bool {
        self.blocks.last_mut().is_none_or(|block| block.names.insert(name, meaning).is_none())
    }

    /// Declares `name<count>`; false if the block has the name already.
    pub fn declare_range(&mut self, name: &'a str, ty: PtxType, count: u32) -> bool {
        self.blocks.last_mut().is_none_or(|block| block.ranges.insert(name, (ty, count)).is_none())
    }

    /// What a name stands for, in the innermost block that has it.
    pub fn find(&self, name: &str) -> Option<Meaning> {
        let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
        self.blocks.iter().rev().find_map(|block| {
            if let Some(meaning) = block.names.get(name) {
                return Some(*meaning);
            }
            if block.ranges.is_empty() {
                return None;
            }
            (1..=digits).rev().find_map(|taken| {
                let (prefix, number) = name.split_at(name.len() - taken);
                let (ty, count) = block.ranges.get(prefix)?;
                (number.parse::<u32>().ok()? < *count).then_some(Meaning::Register(*ty))
            })
        })
    }

    /// The type of a register.
    pub fn register(&self, name: &str) -> Option<PtxType> {
        match self.find(name) {
            Some(Meaning::Register(ty)) => Some(ty),
            _ => None,
        }
    }

    /// Names of registers, to suggest one.
    pub fn registers(&self) -> impl Iterator<Item = &'a str> {
        let registers = |block: &Block<'a>| {
            let named = block.names.iter().filter(|(_, meaning)| matches!(meaning, Meaning::Register(_)));
            named.map(|(name, _)| *name).collect::<Vec<_>>()
        };
        self.blocks.iter().flat_map(registers)
    }
}

/// Labels that are defined twice in one block, with the place of the second.
pub(super) fn labels_defined_twice(statements: &[Statement]) -> Vec<(&str, Range<usize>)> {
    let mut seen = HashSet::new();
    let labels = statements.iter().filter_map(|statement| match statement {
        Statement::Label(name, span) => Some((name.as_str(), span.clone())),
        _ => None,
    });
    labels.filter(|(name, _)| !seen.insert(*name)).collect()
}
