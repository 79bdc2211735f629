//! Branches and calls: of what the driver provides, and of the module's own functions, which are inlined.

use super::Decoder;
use super::modifiers::Modifiers;
use super::place::Place;
use crate::families::predicate::lanes::compare_words;
use crate::program::{File, Op, Slot};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{Comparison, Modifier};
use warpbook_ptx::{Operand, PtxType};

/// Calls within calls; deeper is taken for recursion.
const MAX_DEPTH: usize = 32;
/// Instructions after inlining; a program beyond it grows without bound.
const MAX_CODE: usize = 1 << 20;

/// Where `ret` goes in the inlined call of a number. No label of PTX text has a space.
pub(super) fn return_label(id: u32) -> String {
    format!("return {id}")
}

/// Where lanes go that a guard keeps out of the call of a number.
fn skip_label(id: u32) -> String {
    format!("skip {id}")
}

impl<'a> Decoder<'a> {
    /// A label of the text, told apart in each block in braces that defines it and in each inlined call.
    pub(super) fn label(&self, name: &str) -> String {
        let block = self.label_blocks.iter().rev().find(|(_, labels)| labels.contains(name));
        let block = block.map_or(String::new(), |(id, _)| format!(" in {id}"));
        match self.inlined.last() {
            Some(id) => format!("{name}{block} {id}"),
            None => format!("{name}{block}"),
        }
    }

    pub(super) fn branch(&mut self, label: String) {
        self.branches.push((self.code.len(), label, self.span.clone()));
        self.emit(Op::Branch { target: 0, reconverge: u32::MAX });
    }

    /// Decodes the instruction `bra`.
    pub(super) fn branch_to_label(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Uni);
        let Some(Operand::Name(label)) = o.first() else { return Err(self.malformed("expected a label")) };
        let label = self.label(label);
        self.branch(label);
        Ok(())
    }

    /// A guarded call or `brx.idx` is many operations: a branch leads the lanes that the guard keeps out around them.
    pub(super) fn select_under_branch(
        &mut self,
        instruction: &'a warpbook_ptx::Instruction,
        (predicate, negated): (Slot, bool),
    ) -> Result<()> {
        self.calls += 1;
        let label = skip_label(self.calls);
        let branch = self.code.len();
        self.branch(label.clone());
        self.code[branch].guard = Some((predicate, !negated));
        self.select(instruction)?;
        self.labels.insert(label, self.code.len() as u32);
        Ok(())
    }

    /// `ret`: to the end of the inlined call, or out of the kernel.
    pub(super) fn return_from_call(&mut self, m: &mut Modifiers<'_>) {
        m.take(Modifier::Uni);
        match self.inlined.last() {
            Some(id) => self.branch(return_label(*id)),
            None => self.emit(Op::Exit),
        }
    }

    /// `brx.idx`: a comparison and a branch for each target. An index beyond the list is undefined; here it traps.
    pub(super) fn branch_by_index(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Uni);
        let Some(Operand::Name(list)) = o.get(1) else { return Err(self.malformed("expected a list of labels")) };
        let Some(&targets) = self.branch_targets.get(list.as_str()) else {
            return Err(self.malformed(format!("there is no list of branch targets `{list}`")));
        };
        let equals = compare_words(Comparison::Equal, PtxType::U32, false)
            .ok_or_else(|| self.unsupported("a comparison of `brx.idx`"))?;
        let index = self.word(o, 0)?;
        for (number, target) in targets.iter().enumerate() {
            let (number, equal) = (self.word_constant(number as u32), self.fresh(File::Predicate));
            self.emit(Op::Compare32 { f: equals, d: equal, complement: None, a: index, b: number, combine: None });
            let branch = self.code.len();
            self.branch(self.label(target));
            self.code[branch].guard = Some((equal, false));
        }
        self.emit(Op::Trap);
        Ok(())
    }

    /// The callee's parameters and return value are the caller's `.param` variables.
    fn inline(&mut self, name: &str, arguments: &[Place], returned: Option<Place>) -> Result<()> {
        let module = self.module;
        let Some(callee) = module.function(name) else { return Ok(()) };
        if self.inlined.len() >= MAX_DEPTH || self.code.len() > MAX_CODE {
            return Err(self.unsupported(format!("recursion: `{name}` calls itself")));
        }
        let (span, opcode, line) = (self.span.clone(), self.opcode.clone(), self.line);
        self.calls += 1;
        let id = self.calls;
        self.inlined.push(id);
        let outer = self.symbols.enter_function();
        for (param, &place) in callee.params.iter().zip(arguments) {
            self.symbols.name_variable(&param.name, place, param.ty);
        }
        for (param, place) in callee.returns.iter().zip(returned) {
            self.symbols.name_variable(&param.name, place, param.ty);
        }
        self.statements(callee.body.as_deref().unwrap_or_default())?;
        self.symbols.leave_function(outer);
        self.inlined.pop();
        (self.span, self.opcode, self.line) = (span, opcode, line);
        self.labels.insert(return_label(id), self.code.len() as u32);
        Ok(())
    }

    /// A call of a function of the module, by its name.
    pub(super) fn call_function(&mut self, name: &str, arguments: &[Place], returned: Option<Place>) -> Result<()> {
        let Some(callee) = self.module.function(name) else { return Ok(()) };
        if callee.params.len() != arguments.len() || callee.returns.len() != usize::from(returned.is_some()) {
            return Err(self.malformed(format!("`{name}` has other parameters")));
        }
        if self.functions.is_recursive(name) {
            return self.call_out_of_line(name, arguments, returned);
        }
        self.inline(name, arguments, returned)
    }

    /// The fixed place in local memory of an argument of eight bytes at most.
    fn fixed_place(&mut self, place: Place) -> u32 {
        if let Place::Local(offset) = place {
            return offset;
        }
        let offset = self.symbols.fixed_local();
        let (to, from) = ((self.word_constant(0), offset), self.place_in_local(place));
        self.copy_local(to, from, 8, 4);
        offset
    }

    /// Calls of the functions that the driver provides, of the module's own, and through pointers.
    pub(super) fn call(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Uni);
        // Behind the arguments of a call through a pointer stands the name of its prototype.
        let (returns, name, arguments) = match o {
            [Operand::List(returns), Operand::Name(name), Operand::List(arguments), ..] => {
                (&returns[..], name, &arguments[..])
            }
            [Operand::Name(name), Operand::List(arguments), ..] => (&[][..], name, &arguments[..]),
            [Operand::List(returns), Operand::Name(name), ..] => (&returns[..], name, &[][..]),
            [Operand::Name(name), ..] => (&[][..], name, &[][..]),
            _ => return Err(self.unsupported_form()),
        };
        let mut parameters = Vec::new();
        for argument in arguments {
            match argument {
                Operand::Name(parameter) => match self.symbols.variable(parameter) {
                    Some(place @ (Place::Local(_) | Place::Frame(_))) => parameters.push(place),
                    _ => return Err(self.malformed(format!("`{parameter}` is no parameter variable"))),
                },
                _ => return Err(self.unsupported("a call with a register or a constant as its argument")),
            }
        }
        let returned = match returns.first() {
            Some(Operand::Name(name)) => {
                self.symbols.variable(name).filter(|place| matches!(place, Place::Local(_) | Place::Frame(_)))
            }
            _ => None,
        };
        let has_body = self.module.function(name).is_some_and(|callee| callee.body.is_some());
        let is_pointer = self.lookup(name).is_some();
        if is_pointer {
            let pointer = self.register(name, File::Long)?;
            return self.call_through(pointer, &parameters, returned);
        }
        match (name.as_str(), &parameters[..]) {
            ("vprintf", &[format, arguments]) => {
                let (format, arguments) = (self.fixed_place(format), self.fixed_place(arguments));
                let d = match returned {
                    Some(Place::Local(offset)) => Some(offset),
                    Some(_) => Some(self.symbols.fixed_local()),
                    None => None,
                };
                self.emit(Op::Print { d, format, arguments });
                if let (Some(place @ Place::Frame(_)), Some(from)) = (returned, d) {
                    let (to, from) = (self.place_in_local(place), (self.word_constant(0), from));
                    self.copy_local(to, from, 4, 4);
                }
            }
            ("malloc", &[size]) => {
                let size = self.fixed_place(size);
                let d = match returned {
                    Some(Place::Local(offset)) => Some(offset),
                    Some(_) => Some(self.symbols.fixed_local()),
                    None => None,
                };
                self.emit(Op::Malloc { size, d });
                if let (Some(place @ Place::Frame(_)), Some(from)) = (returned, d) {
                    let (to, from) = (self.place_in_local(place), (self.word_constant(0), from));
                    self.copy_local(to, from, 8, 8);
                }
            }
            ("free", &[address]) => {
                let address = self.fixed_place(address);
                self.emit(Op::Free { address });
            }
            ("__assertfail", &[message, file, line, function, ..]) => {
                let parameters = [message, file, line, function].map(|place| self.fixed_place(place));
                self.emit(Op::Assert { parameters });
            }
            _ if has_body => self.call_function(name, &parameters, returned)?,
            _ => return Err(self.unsupported(format!("a call of `{name}`"))),
        }
        Ok(())
    }
}
