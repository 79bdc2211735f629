//! Functions that are called through pointers, and functions that call themselves.
//!
//! Other functions are inlined. A call through a register compares the pointer with the address of each function whose
//! address is taken, and inlines that one. A function that may call itself is decoded once, behind the kernel's own code:
//! a call of it keeps the caller's registers on a stack of the thread, and its variables lie in a frame of local memory.

use std::collections::HashSet;

use super::Decoder;
use super::place::{Place, function_address};
use super::special_functions::{Frame, OutOfLine};
use crate::lanes::lanes;
use crate::program::{AddressOperand, Base, Data, File, MemorySpace, Op, Slot, Word};
use warpbook_diagnostic::Result;
use warpbook_ptx::Function;

/// Frames begin at multiples of this many bytes.
const FRAME_ALIGNMENT: u32 = 16;

/// Where the parameters and the result of a function lie in its frame, and how many bytes they take.
struct Layout {
    params: Vec<u32>,
    returned: u32,
    bytes: u32,
}

impl Layout {
    fn new(function: &Function) -> Self {
        let mut bytes = 0u32;
        let mut place = |align: u32, size: u32| {
            let at = bytes.next_multiple_of(align.clamp(1, FRAME_ALIGNMENT));
            bytes = at.saturating_add(size);
            at
        };
        let params = function.params.iter().map(|param| place(param.align, param.size())).collect();
        let returned = function.returns.first().map_or(0, |param| place(param.align, param.size()));
        Self { params, returned, bytes }
    }
}

/// Where a call of a number returns to. No label of PTX text has a space.
fn site(call: u32) -> String {
    format!("call {call}")
}

fn entrance(index: usize) -> String {
    format!("function {index}")
}

impl<'a> Decoder<'a> {
    /// A call through a pointer: of each function that it may be, the one whose address it is.
    pub(super) fn call_through(&mut self, pointer: Slot, arguments: &[Place], returned: Option<Place>) -> Result<()> {
        let fits = |function: &&Function| {
            function.params.len() == arguments.len() && function.returns.len() == usize::from(returned.is_some())
        };
        let candidates: Vec<&Function> = self.functions.pointed_to.iter().copied().filter(fits).collect();
        if candidates.is_empty() {
            return Err(self.malformed("no function whose address is taken has these parameters"));
        }
        self.calls += 1;
        let end = format!("chosen {}", self.calls);
        for function in candidates {
            self.calls += 1;
            let next = format!("other {}", self.calls);
            let address = function_address(self.module, &function.name).unwrap_or_default();
            let (address, differs) = (self.long_constant(address), self.fresh(File::Predicate));
            let f: fn(&_, &_) -> u32 = |a: &[u64; 32], b: &[u64; 32]| {
                a.iter().zip(b).enumerate().fold(0, |mask, (lane, (a, b))| mask | u32::from(a != b) << lane)
            };
            self.emit(Op::Compare64 { f, d: differs, complement: None, a: pointer, b: address, combine: None });
            let branch = self.code.len();
            self.branch(next.clone());
            self.code[branch].guard = Some((differs, false));
            self.call_function(&function.name, arguments, returned)?;
            self.branch(end.clone());
            self.labels.insert(next, self.code.len() as u32);
        }
        // The pointer is no function's.
        self.emit(Op::Trap);
        self.labels.insert(end, self.code.len() as u32);
        Ok(())
    }

    /// A call of a function of the module that may call itself.
    pub(super) fn call_out_of_line(&mut self, name: &str, arguments: &[Place], returned: Option<Place>) -> Result<()> {
        let Some(function) = self.module.function(name) else { return Ok(()) };
        let known = self.out_of_line.iter().position(|own| own.function.name == name);
        let index = known.unwrap_or_else(|| {
            self.out_of_line.push(OutOfLine { function, calls: Vec::new() });
            self.out_of_line.len() - 1
        });
        let layout = Layout::new(function);
        let stack = self.stack();
        self.emit(Op::StackRoom { stack, bytes: layout.bytes });
        for ((param, &at), &argument) in function.params.iter().zip(&layout.params).zip(arguments) {
            let from = self.place_in_local(argument);
            self.copy_local((stack, at), from, param.size(), param.align);
        }
        self.calls += 1;
        let call = self.calls;
        self.out_of_line[index].calls.push(call);
        self.note_call();
        self.emit(Op::Call { site: call, saved: Box::default() });
        self.branch(entrance(index));
        self.labels.insert(site(call), self.code.len() as u32);
        self.note_call();
        self.emit(Op::Returned { saved: Box::default() });
        if let (Some(to), Some(param)) = (returned, function.returns.first()) {
            let to = self.place_in_local(to);
            self.copy_local(to, (stack, layout.returned), param.size(), param.align);
        }
        Ok(())
    }

    /// The first frame begins behind the kernel's own variables.
    pub(super) fn begin_stack(&mut self) {
        if self.functions.need_a_stack() {
            let d = self.stack();
            self.emit(Op::FirstFrame { d });
        }
    }

    fn note_call(&mut self) {
        let here = self.code.len();
        if let Some(frame) = &mut self.frame {
            frame.calls.push(here);
        }
    }

    /// The register with the offset in local memory at which the next frame begins.
    fn stack(&mut self) -> Slot {
        match self.stack {
            Some(slot) => slot,
            None => {
                let slot = self.fresh(File::Word);
                self.stack = Some(slot);
                slot
            }
        }
    }

    /// Base register and offset of a variable in local memory.
    pub(super) fn place_in_local(&mut self, place: Place) -> (Slot, u32) {
        match (place, &self.frame) {
            (Place::Frame(offset), Some(frame)) => (frame.base, offset),
            (Place::Local(offset) | Place::Frame(offset), _) => (self.word_constant(0), offset),
            _ => (self.word_constant(0), 0),
        }
    }

    /// Copies bytes from one place of local memory to another, each a base register and an offset.
    pub(super) fn copy_local(&mut self, to: (Slot, u32), from: (Slot, u32), size: u32, align: u32) {
        let at = |(base, offset): (Slot, u32), done: u32| AddressOperand {
            base: Base::Word(base),
            offset: i64::from(offset + done),
        };
        let mut done = 0;
        while done < size {
            let rest = size - done;
            let piece = align.clamp(1, 8).min(1 << rest.ilog2());
            let value =
                if piece == 8 { Data::Long(self.fresh(File::Long)) } else { Data::Word(self.fresh(File::Word)) };
            let space = MemorySpace::Local;
            let (from, to) = (at(from, done), at(to, done));
            self.emit(Op::Load { space, size: piece, signed: false, d: [value].into(), address: from });
            self.emit(Op::Store { space, size: piece, a: [value].into(), address: to });
            done += piece;
        }
    }

    /// Decodes the functions that calls of the kernel go to, and those that they call.
    pub(super) fn functions_behind_the_kernel(&mut self) -> Result<()> {
        let mut index = 0;
        while index < self.out_of_line.len() {
            self.function_behind_the_kernel(index)?;
            index += 1;
        }
        for index in 0..self.out_of_line.len() {
            self.returns_of(index);
        }
        Ok(())
    }

    fn function_behind_the_kernel(&mut self, index: usize) -> Result<()> {
        let function = self.out_of_line[index].function;
        let layout = Layout::new(function);
        let stack = self.stack();
        let first = self.next;
        let base = self.fresh(File::Word);
        self.span = function.span.clone();
        self.labels.insert(entrance(index), self.code.len() as u32);
        let entered = self.code.len();
        self.emit(Op::EnterFrame { base, stack, next: stack, bytes: 0 });
        self.calls += 1;
        let id = self.calls;
        self.inlined.push(id);
        self.frame = Some(Frame { base, calls: Vec::new() });
        let outer = self.symbols.enter_function();
        self.symbols.frame_bytes = Some(layout.bytes);
        for (param, &at) in function.params.iter().zip(&layout.params) {
            self.symbols.name_variable(&param.name, Place::Frame(at), param.ty);
        }
        for param in &function.returns {
            self.symbols.name_variable(&param.name, Place::Frame(layout.returned), param.ty);
        }
        self.statements(function.body.as_deref().unwrap_or_default())?;
        self.symbols.leave_function(outer);
        let variables = self.symbols.frame_bytes.take().unwrap_or_default();
        self.inlined.pop();
        self.labels.insert(super::call::return_label(id), self.code.len() as u32);
        self.emit(Op::Unary32(lanes!(Word; |a: Word| a), stack, base));
        self.branch(format!("returns {index}"));
        let calls = self.frame.take().map(|frame| frame.calls).unwrap_or_default();
        let saved = self.registers_since(first, stack);
        // The registers that are kept count too, so that the depth is bounded.
        let kept: u32 = saved.iter().map(|(file, _)| if *file == File::Long { 8 } else { 4 }).sum();
        if let Op::EnterFrame { bytes, .. } = &mut self.code[entered].op {
            *bytes = variables.saturating_add(kept).max(1).next_multiple_of(FRAME_ALIGNMENT);
        }
        for at in calls {
            if let Op::Call { saved: own, .. } | Op::Returned { saved: own } = &mut self.code[at].op {
                own.clone_from(&saved);
            }
        }
        Ok(())
    }

    /// The registers that are made since `first`, but for constants.
    fn registers_since(&self, first: [Slot; 3], stack: Slot) -> Box<[(File, Slot)]> {
        let words = self.constants.words.values().chain(self.constants.specials.values()).chain([&stack]);
        let longs = self.constants.longs.values().chain(self.constants.globals.values());
        let fixed: HashSet<(File, Slot)> = words
            .map(|&slot| (File::Word, slot))
            .chain(longs.map(|&slot| (File::Long, slot)))
            .chain(self.constants.truth.map(|slot| (File::Predicate, slot)))
            .collect();
        let files = [File::Word, File::Long, File::Predicate];
        let all = files
            .into_iter()
            .flat_map(|file| (first[file as usize]..self.next[file as usize]).map(move |slot| (file, slot)));
        all.filter(|own| !fixed.contains(own)).collect()
    }

    /// Where a function returns to: to the call whose number is on the thread's stack.
    fn returns_of(&mut self, index: usize) {
        self.labels.insert(format!("returns {index}"), self.code.len() as u32);
        let number = self.fresh(File::Word);
        self.emit(Op::ReturnSite { d: number });
        for call in self.out_of_line[index].calls.clone() {
            let (call_number, equal) = (self.word_constant(call), self.fresh(File::Predicate));
            let f: fn(&_, &_) -> u32 = |a: &Word, b: &Word| {
                a.iter().zip(b).enumerate().fold(0, |mask, (lane, (a, b))| mask | u32::from(a == b) << lane)
            };
            self.emit(Op::Compare32 { f, d: equal, complement: None, a: number, b: call_number, combine: None });
            let branch = self.code.len();
            self.branch(site(call));
            self.code[branch].guard = Some((equal, false));
        }
        self.emit(Op::Trap);
    }
}
