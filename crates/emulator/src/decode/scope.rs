//! Names: registers by scope, variables by state space.

use std::collections::HashMap;

use super::place::{Place, is_global, parameter_offsets};
use crate::program::File;
use crate::program::Slot;
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_ptx::{Function, Module, PtxType, Space, Statement, Variable};

/// Bytes of a kernel's parameters (CUDA Programming Guide, "`__global__` function parameters").
const MAX_PARAMETERS: u32 = 32_764;
/// Bytes of local memory of a thread (CUDA Programming Guide, table of compute capabilities).
const MAX_LOCAL: u32 = 512 << 10;

#[derive(Default)]
struct Scope {
    id: u32,
    /// `p` of `.reg .pred p;`
    names: HashMap<String, PtxType>,
    /// `%r` of `.reg .b32 %r<10>;`
    ranges: HashMap<String, (PtxType, u32)>,
}

/// Everything that has a name.
pub(super) struct Symbols<'a> {
    scopes: Vec<Scope>,
    next_scope: u32,
    pub(super) registers: HashMap<(u32, String), (PtxType, Slot)>,
    variables: HashMap<&'a str, (Place, PtxType)>,
    /// Where the shared variables of functions lie, by their place in the text.
    shared_of_functions: HashMap<usize, u32>,
    pub local_bytes: u32,
    /// Bytes of the frame of a function that is decoded behind the kernel's code.
    pub frame_bytes: Option<u32>,
    pub static_shared: u32,
    pub dynamic_shared_offset: u32,
}

type OuterVariables<'a> = HashMap<&'a str, (Place, PtxType)>;

/// The register file that holds a type; `None` for 128 bits.
pub(crate) fn file_of(ty: PtxType) -> Option<File> {
    match ty {
        PtxType::Pred => Some(File::Predicate),
        _ => match ty.size() {
            0..=4 => Some(File::Word),
            8 => Some(File::Long),
            _ => None,
        },
    }
}

impl<'a> Symbols<'a> {
    pub fn new(module: &'a Module, entry: &'a Function) -> Result<Self> {
        let mut symbols = Self {
            scopes: vec![Scope::default()],
            next_scope: 1,
            registers: HashMap::new(),
            variables: HashMap::new(),
            shared_of_functions: HashMap::new(),
            local_bytes: 0,
            frame_bytes: None,
            static_shared: 0,
            dynamic_shared_offset: 0,
        };
        let offsets = parameter_offsets(entry);
        let end =
            offsets.last().zip(entry.params.last()).map_or(0, |(offset, last)| offset.saturating_add(last.size()));
        if end > MAX_PARAMETERS {
            let message = format!("{end} bytes of parameters are more than a kernel can have ({MAX_PARAMETERS})");
            return Err(Diagnostic::error("ptx-parameters", message).at(entry.span.clone(), ""));
        }
        for (param, offset) in entry.params.iter().zip(offsets) {
            symbols.variables.insert(&param.name, (Place::Param(offset), param.ty));
        }
        let mut globals = 0;
        let mut dynamic = None;
        for variable in &module.variables {
            if is_global(variable.space) {
                symbols.variables.insert(&variable.name, (Place::Global(globals), variable.ty));
                globals += 1;
            } else if variable.is_extern {
                let align = dynamic.map_or(1, |(_, align): (&str, u32)| align).max(variable.align);
                dynamic = Some((&variable.name, align));
            } else {
                symbols.shared(variable);
            }
        }
        // Those that functions declare lie before the dynamic memory too.
        let others = module.functions.iter().filter(|function| !function.is_entry);
        for function in others.chain([entry]) {
            symbols.place_shared(function.body.as_deref().unwrap_or_default());
        }
        // All extern shared variables are one and the same memory, behind the static ones.
        if let Some((_, align)) = dynamic {
            symbols.dynamic_shared_offset = symbols.static_shared.next_multiple_of(align.max(16));
            for variable in module.variables.iter().filter(|v| v.is_extern && v.space == Space::Shared) {
                symbols.variables.insert(&variable.name, (Place::Shared(symbols.dynamic_shared_offset), variable.ty));
            }
        } else {
            symbols.dynamic_shared_offset = symbols.static_shared.next_multiple_of(16);
        }
        if symbols.static_shared > 228 << 10 {
            let message = format!("{} bytes of static shared memory are more than any GPU has", symbols.static_shared);
            return Err(Diagnostic::error("ptx-shared", message).at(entry.span.clone(), ""));
        }
        Ok(symbols)
    }

    fn shared(&mut self, variable: &'a Variable) {
        let offset = self.take_shared(variable);
        self.variables.insert(&variable.name, (Place::Shared(offset), variable.ty));
    }

    /// Beyond the limit, which is checked when all are placed, offsets mean nothing.
    fn take_shared(&mut self, variable: &Variable) -> u32 {
        let offset = self.static_shared.checked_next_multiple_of(variable.align.max(1)).unwrap_or(u32::MAX);
        self.static_shared = offset.saturating_add(u32::try_from(variable.size).unwrap_or(u32::MAX)).min(1 << 30);
        offset
    }

    fn place_shared(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement {
                Statement::Block(statements) => self.place_shared(statements),
                Statement::Variable(variable) if variable.space == Space::Shared => {
                    let offset = self.take_shared(variable);
                    self.shared_of_functions.insert(variable.span.end, offset);
                }
                _ => {}
            }
        }
    }

    pub fn declare_variable(&mut self, variable: &'a Variable) -> Result<()> {
        let place = match variable.space {
            Space::Shared => Place::Shared(self.shared_of_functions.get(&variable.span.end).copied().unwrap_or(0)),
            _ => {
                let used = self.frame_bytes.unwrap_or(self.local_bytes);
                let offset = used.next_multiple_of(variable.align.max(1));
                let end = u64::from(offset) + variable.size;
                let used = match u32::try_from(end) {
                    Ok(end) if end <= MAX_LOCAL => end,
                    _ => {
                        let message =
                            format!("{end} bytes of local memory are more than a thread can have ({MAX_LOCAL})");
                        let error = Diagnostic::error("ptx-local", message);
                        return Err(error.at(variable.span.clone(), ""));
                    }
                };
                match &mut self.frame_bytes {
                    Some(bytes) => {
                        *bytes = used;
                        Place::Frame(offset)
                    }
                    None => {
                        self.local_bytes = used;
                        Place::Local(offset)
                    }
                }
            }
        };
        self.variables.insert(&variable.name, (place, variable.ty));
        Ok(())
    }

    /// Eight bytes of the thread's local memory at a fixed place.
    pub fn fixed_local(&mut self) -> u32 {
        let offset = self.local_bytes.next_multiple_of(8);
        self.local_bytes = offset + 8;
        offset
    }

    pub fn declare_registers(&mut self, ty: PtxType, names: &[(String, Option<u32>)]) {
        let Some(scope) = self.scopes.last_mut() else { return };
        for (name, count) in names {
            match count {
                Some(count) => drop(scope.ranges.insert(name.clone(), (ty, *count))),
                None => drop(scope.names.insert(name.clone(), ty)),
            }
        }
    }

    pub fn enter(&mut self) {
        self.scopes.push(Scope { id: self.next_scope, ..Scope::default() });
        self.next_scope += 1;
    }

    pub fn leave(&mut self) {
        self.scopes.pop();
    }

    /// A function body has registers and variables of its own; returns what [`Symbols::leave_function`] restores.
    pub fn enter_function(&mut self) -> OuterVariables<'a> {
        self.enter();
        self.variables.clone()
    }

    pub fn leave_function(&mut self, outer: OuterVariables<'a>) {
        self.leave();
        self.variables = outer;
    }

    /// Gives a variable that exists another name.
    pub fn name_variable(&mut self, name: &'a str, place: Place, ty: PtxType) {
        self.variables.insert(name, (place, ty));
    }

    pub(super) fn find(&self, name: &str) -> Option<(u32, PtxType)> {
        let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        self.scopes.iter().rev().find_map(|scope| {
            if let Some(ty) = scope.names.get(name) {
                return Some((scope.id, *ty));
            }
            (1..=digits).find_map(|taken| {
                let (prefix, number) = name.split_at(name.len() - taken);
                let (ty, count) = scope.ranges.get(prefix)?;
                (number.parse::<u32>().ok()? < *count).then_some((scope.id, *ty))
            })
        })
    }

    /// Every register that was named: its name, type and virtual slot.
    pub fn registers(&self) -> impl Iterator<Item = (&str, PtxType, Slot)> {
        self.registers.iter().map(|((_, name), &(ty, slot))| (name.as_str(), ty, slot))
    }

    pub fn variable(&self, name: &str) -> Option<Place> {
        self.variables.get(name).map(|(place, _)| *place)
    }
}
