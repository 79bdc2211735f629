//! Operands: whether each is what its place in the form takes.

use super::agreement::{constant_fits, register_fits, wanted};
use super::scope::{Meaning, Scope};
use super::special;
use crate::ast::{Address, Immediate, Operand};
use crate::isa::forms::{Architecture, Base, Limits, Type};
use crate::isa::{Mnemonic, Modifier, Opcode};
use crate::types::{PtxType, Space};

/// What is wrong with an operand.
#[derive(Debug)]
pub(super) struct Mismatch {
    /// How many operands were right before it.
    pub index: usize,
    pub message: String,
    /// The text that is wrong, where it is one word.
    pub word: Option<String>,
    pub help: Option<String>,
}

pub(super) type Result<T = ()> = std::result::Result<T, Box<Mismatch>>;

/// A mismatch, to be returned.
pub(super) fn wrong<T>(message: impl Into<String>, word: Option<&str>, help: impl Into<Option<String>>) -> Result<T> {
    Err(Box::new(Mismatch { index: 0, message: message.into(), word: word.map(str::to_owned), help: help.into() }))
}

/// The operands of an instruction, against one form.
pub(super) struct Operands<'a, 'b> {
    pub scope: &'b Scope<'a>,
    pub opcode: &'b Opcode,
    pub target: Option<Architecture>,
}

impl Operands<'_, '_> {
    /// The type that an operand has in this opcode; `None` where the opcode does not say it.
    pub fn ty(&self, ty: Type) -> Option<PtxType> {
        use PtxType as T;
        match ty.base {
            Base::Fixed(ty) => Some(ty),
            Base::Nth(index) => self.opcode.types().nth(index),
            Base::Last => self.opcode.types().next_back(),
            Base::TwiceLast => Some(match self.opcode.types().next_back()? {
                T::S16 => T::S32,
                T::U16 => T::U32,
                T::S32 => T::S64,
                T::U32 => T::U64,
                _ => return None,
            }),
        }
    }

    /// The n-th state space of the opcode; `None` for generic addresses.
    pub fn space(&self, nth: usize) -> Option<Space> {
        let mut spaces = self.opcode.modifiers().filter_map(|word| match word {
            Modifier::Global => Some(Space::Global),
            Modifier::Shared | Modifier::SharedCta | Modifier::SharedCluster => Some(Space::Shared),
            Modifier::Local => Some(Space::Local),
            Modifier::Const => Some(Space::Const),
            Modifier::Param | Modifier::ParamEntry | Modifier::ParamFunc => Some(Space::Param),
            _ => None,
        });
        spaces.nth(nth)
    }

    pub fn result(&self, ty: Type, operand: &Operand) -> Result {
        match operand {
            Operand::Name(name) => match self.scope.find(name) {
                Some(Meaning::Register(own)) => self.fits(ty, own, name),
                Some(_) => wrong(format!("`{name}` is no register, and cannot get a result"), Some(name), None),
                None => self.unknown(name),
            },
            Operand::Sink => wrong(
                format!("the result of `{}` cannot be dropped with `_`", self.opcode),
                None,
                "write it to a register".to_owned(),
            ),
            _ => wrong("the result has to go to a register", None, None),
        }
    }

    pub fn source(&self, ty: Type, register: bool, operand: &Operand) -> Result {
        match operand {
            Operand::Name(name) => match self.scope.find(name) {
                Some(Meaning::Register(own)) => self.fits(ty, own, name),
                Some(Meaning::Variable(_) | Meaning::Parameter) => wrong(
                    format!("`{name}` is a variable; this operand has to be a register"),
                    Some(name),
                    "`mov` puts the address of a variable into a register, `ld` its value".to_owned(),
                ),
                Some(_) => wrong(format!("`{name}` is no register"), Some(name), None),
                None if name == "WARP_SZ" => Ok(()),
                None if self.opcode.mnemonic() == Some(Mnemonic::Cvt)
                    && special::ty(name).zip(self.ty(ty)).is_some_and(|(holds, ty)| holds.fits(ty)) =>
                {
                    Ok(())
                }
                None if name.starts_with('%') && special::ty(name).is_some() => wrong(
                    format!("`{}` does not take the special register `{name}`", self.opcode),
                    Some(name),
                    "`mov` puts it into a register".to_owned(),
                ),
                None => self.unknown(name),
            },
            Operand::Immediate(constant) => self.value(ty, register, *constant),
            Operand::Not(name) => wrong(format!("`!{name}`: only a predicate can be negated"), Some(name), None),
            Operand::Sink => wrong("`_` stands for a result that is dropped, not for a value", None, None),
            _ => wrong("this operand has to be a register or a constant", None, None),
        }
    }

    fn value(&self, ty: Type, register: bool, constant: Immediate) -> Result {
        if register {
            return wrong("this operand has to be a register, not a constant", None, None);
        }
        match self.ty(ty) {
            Some(ty) if !constant_fits(ty, constant) => {
                let kind =
                    if matches!(constant, Immediate::Integer(_)) { "an integer" } else { "a floating-point number" };
                let help = match (constant, ty) {
                    (Immediate::Integer(_), PtxType::F32) => "write `0f…` with the eight digits of the bits, or `1.0`",
                    (Immediate::Integer(_), PtxType::F64) => {
                        "write `0d…` with the sixteen digits of the bits, or `1.0`"
                    }
                    (Immediate::Integer(_), _) => "put it into a register with `mov` first",
                    (Immediate::F64(_), PtxType::B32) => "write `0f…` with the eight digits of the bits",
                    _ => "write an integer, or the bits as `0x…`",
                };
                wrong(format!("{kind} is no constant of type `.{ty}`"), None, help.to_owned())
            }
            _ => Ok(()),
        }
    }

    /// A register that gets a result of a type.
    pub fn result_of(&self, ty: PtxType, operand: &Operand) -> Result {
        self.result(Type { base: Base::Fixed(ty), relaxed: false }, operand)
    }

    /// A register against a type that is known.
    pub fn register_of(&self, ty: PtxType, name: &str) -> Result {
        self.register(Type { base: Base::Fixed(ty), relaxed: false }, name)
    }

    /// A register against a type.
    fn register(&self, ty: Type, name: &str) -> Result {
        match self.scope.register(name) {
            Some(own) => self.fits(ty, own, name),
            None => self.unknown(name),
        }
    }

    /// The type of a register against the type of its place.
    fn fits(&self, ty: Type, own: PtxType, name: &str) -> Result {
        match self.ty(ty) {
            Some(operand) if !register_fits(operand, own, ty.relaxed) => wrong(
                format!("`{name}` is a `.{own}` register, which `{}` does not take here", self.opcode),
                Some(name),
                format!("this operand takes {}", wanted(operand, ty.relaxed)),
            ),
            _ => Ok(()),
        }
    }

    pub fn unknown<T>(&self, name: &str) -> Result<T> {
        let near = warpbook_diagnostic::nearest(name, self.scope.registers());
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declare it: `.reg .b32 {name};`"),
        };
        wrong(format!("there is no register `{name}`"), Some(name), help)
    }

    pub fn predicate(&self, register: bool, operand: &Operand) -> Result {
        match operand {
            Operand::Name(name) | Operand::Not(name) => match self.scope.find(name) {
                Some(Meaning::Register(PtxType::Pred)) => Ok(()),
                Some(Meaning::Register(ty)) => {
                    wrong(format!("`{name}` is a `.{ty}` register, where a predicate is wanted"), Some(name), None)
                }
                Some(_) => wrong(format!("`{name}` is no predicate"), Some(name), None),
                None if name == "%is_explicit_cluster" => Ok(()),
                None => self.unknown(name),
            },
            Operand::Immediate(Immediate::Integer(_)) if !register => Ok(()),
            _ => wrong("this operand has to be a predicate", None, None),
        }
    }

    pub fn constant(&self, limits: Limits, operand: &Operand) -> Result {
        let Limits { low, high, multiple } = limits;
        match operand {
            Operand::Immediate(Immediate::Integer(value))
                if (low..=high).contains(&(*value as i64)) && (*value as i64).wrapping_sub(low) % multiple == 0 =>
            {
                Ok(())
            }
            Operand::Immediate(Immediate::Integer(value)) => {
                let message = format!("{} is not a value that this constant can have", *value as i64);
                let help = format!("it is from {low} to {high}");
                wrong(message, None, if multiple == 1 { help } else { format!("{help}, a multiple of {multiple}") })
            }
            _ => wrong("this operand has to be an integer constant", None, None),
        }
    }

    pub fn address(&self, operand: &Operand, space: Option<Space>) -> Result {
        match operand {
            Operand::Address(address) => self.address_in(address, space),
            _ => wrong("this operand has to be an address in brackets", None, None),
        }
    }

    /// True if an address in 32 bits is not one: from sm_90 on, but for the small spaces.
    fn needs_64_bits(&self, space: Option<Space>) -> bool {
        let is_large = matches!(space, None | Some(Space::Global | Space::Generic));
        is_large && self.target.is_none_or(|target| target.number >= 90)
    }

    fn address_in(&self, address: &Address, space: Option<Space>) -> Result {
        let Some(base) = &address.base else {
            // The base of an absolute address is nothing; only local memory begins at zero for every thread.
            return match space {
                Some(Space::Local) => Ok(()),
                _ => wrong("an address without a register is taken for `.local` alone", None, None),
            };
        };
        match self.scope.find(base) {
            Some(Meaning::Register(ty)) if !is_address(ty) => wrong(
                format!("`{base}` is a `.{ty}` register, which cannot hold an address"),
                Some(base),
                "an address is in a register of integers or bits: `.b64`".to_owned(),
            ),
            Some(Meaning::Register(ty)) if ty.size() < 8 && self.needs_64_bits(space) => wrong(
                format!("`{base}` is a `.{ty}` register; this address has 64 bits"),
                Some(base),
                "only addresses in shared and local memory fit into 32 bits".to_owned(),
            ),
            Some(Meaning::Register(_)) => Ok(()),
            Some(Meaning::Parameter) if self.opcode.is_store() => {
                wrong(format!("`{base}` is a parameter of the function, which cannot be written"), Some(base), None)
            }
            Some(Meaning::Parameter | Meaning::Variable(Space::Param)) if space.is_none() => wrong(
                format!("`{base}` is a parameter, which has no generic address here"),
                Some(base),
                "write `.param` behind the name of the instruction".to_owned(),
            ),
            Some(Meaning::Variable(Space::Const)) if space.is_none() => wrong(
                format!("`{base}` lies in constant memory, which has no generic address here"),
                Some(base),
                "write `.const` behind the name of the instruction".to_owned(),
            ),
            Some(Meaning::Variable(own)) => self.same_space(space, own, base),
            Some(Meaning::Parameter) => self.same_space(space, Space::Param, base),
            Some(Meaning::Function | Meaning::Label) => wrong(format!("`{base}` is no variable"), Some(base), None),
            None => self.unknown(base),
        }
    }

    pub fn same_space(&self, space: Option<Space>, own: Space, name: &str) -> Result {
        match space {
            Some(space) if space != own => wrong(
                format!("`{name}` lies in {}; `{}` accesses {}", words(own), self.opcode, words(space)),
                Some(name),
                None,
            ),
            _ => Ok(()),
        }
    }
}

fn is_address(ty: PtxType) -> bool {
    matches!(ty.size(), 4 | 8) && ty != PtxType::Pred && !ty.is_float()
}

fn words(space: Space) -> &'static str {
    match space {
        Space::Register => "registers",
        Space::Global => "global memory",
        Space::Shared => "shared memory",
        Space::Const => "constant memory",
        Space::Param => "the memory of parameters",
        Space::Local => "local memory",
        Space::Generic => "generic addresses",
    }
}
