//! Operands against the places of a form.

use super::agreement::register_fits;
use super::moves;
use super::operand::{Mismatch, Operands, Result, wrong};
use super::scope::Meaning;
use crate::ast::Operand;
use crate::isa::Modifier;
use crate::isa::forms::{Base, Count, Form, Kind, Type};
use crate::types::{PtxType, Space};

impl Operands<'_, '_> {
    /// Compares operands with the places of a form.
    pub fn check(&self, form: &Form, operands: &[Operand]) -> Result {
        let required = form.places.iter().filter(|place| !place.is_optional).count();
        let is_open = form.places.last().is_some_and(|place| place.kind == Kind::Rest);
        if operands.len() < required || !is_open && operands.len() > form.places.len() {
            return Err(Box::new(Mismatch {
                index: operands.len().min(required).saturating_sub(1),
                message: self.count_message(form, operands.len()),
                word: None,
                help: None,
            }));
        }
        // Operands that may be left out are the last of those that are there.
        let mut spare = operands.len() - required;
        let mut given = operands.iter().enumerate();
        for place in &form.places {
            if place.is_optional {
                if spare == 0 {
                    continue;
                }
                spare -= 1;
            }
            let Some((index, operand)) = given.next() else { break };
            self.place(&place.kind, operand).map_err(|mut error| {
                error.index = index;
                error
            })?;
        }
        Ok(())
    }

    fn count_message(&self, form: &Form, given: usize) -> String {
        let (least, most) = (form.places.iter().filter(|place| !place.is_optional).count(), form.places.len());
        let takes = match (least, most) {
            (0, 0) => "no operands".to_owned(),
            (1, 1) => "one operand".to_owned(),
            _ if least == most => format!("{least} operands"),
            _ => format!("{least} to {most} operands"),
        };
        format!("`{}` takes {takes}; {given} {} here", self.opcode, if given == 1 { "is" } else { "are" })
    }

    fn place(&self, kind: &Kind, operand: &Operand) -> Result {
        match kind {
            Kind::Any | Kind::Rest => Ok(()),
            Kind::Result { sink: true, .. } if *operand == Operand::Sink => Ok(()),
            Kind::Result { ty, .. } => self.result(*ty, operand),
            Kind::Source { ty, register, range } => {
                self.source(*ty, *register, operand)?;
                match (range, operand) {
                    (Some(limits), Operand::Immediate(_)) => self.constant(*limits, operand),
                    _ => Ok(()),
                }
            }
            Kind::Predicate { register } => self.predicate(*register, operand),
            Kind::Constant(limits) => self.constant(*limits, operand),
            Kind::Address(nth) => self.address(operand, self.space(*nth)),
            Kind::SharedAddress => self.address(operand, Some(Space::Shared)),
            Kind::TensorMemoryAddress => self.address(operand, Some(Space::Shared)),
            Kind::TensorAddress => self.tensor(operand),
            Kind::Vector(element, count) => self.vector(element, *count, operand),
            Kind::Pair(first, second, is_optional) => match operand {
                Operand::Pair(a, b) => self.place(first, a).and_then(|()| self.place(second, b)),
                _ if *is_optional => self.place(first, operand),
                _ => wrong(format!("`{}` has two results: `a|b`", self.opcode), None, None),
            },
            Kind::Sink => match operand {
                Operand::Sink => Ok(()),
                _ => wrong("this instruction has no result here: write `_`", None, None),
            },
            Kind::Label => match operand {
                Operand::Name(name) if self.scope.find(name) == Some(Meaning::Label) => Ok(()),
                Operand::Name(name) => match self.scope.find(name) {
                    Some(_) => wrong(format!("`{name}` is no label"), Some(name), None),
                    None => wrong(format!("there is no label `{name}`"), Some(name), None),
                },
                _ => wrong("this operand has to be a label", None, None),
            },
            Kind::Pointer(ty) => match operand {
                Operand::Name(name) | Operand::NameOffset(name, _) => match self.scope.find(name) {
                    Some(Meaning::Variable(space)) => self.same_space(self.space(0), space, name),
                    Some(Meaning::Parameter | Meaning::Function) => Ok(()),
                    _ => self.source(*ty, false, operand),
                },
                _ => self.source(*ty, false, operand),
            },
            Kind::MovTo => moves::destination(self, operand),
            Kind::Mov => moves::source(self, operand),
        }
    }

    fn vector(&self, element: &Kind, count: Count, operand: &Operand) -> Result {
        let limit = match count {
            Count::ByVector => 16,
            Count::ByWideVector => 32,
            _ => u32::MAX,
        };
        let count = match count {
            Count::Exactly(count) => count,
            Count::ByVector | Count::ByWideVector => match self.opcode.modifiers().find_map(Modifier::vector_length) {
                Some(count) => count,
                // One register may stand in braces too.
                None => {
                    return match operand {
                        Operand::Vector(elements) if elements.len() == 1 => self.place(element, &elements[0]),
                        _ => self.place(element, operand),
                    };
                }
            },
            Count::ByRepetition(times) => match self.opcode.modifiers().find_map(Modifier::repetitions) {
                Some(count) => count * times,
                None => times,
            },
            Count::ByColumns(divisor) => self.opcode.matrix_shape().map_or(0, |shape| usize::from(shape.n)) / divisor,
        };
        match operand {
            Operand::Vector(elements) if elements.len() == count => {
                if elements.iter().all(|element| *element == Operand::Sink) {
                    return wrong("a vector of `_` alone has no type", None, None);
                }
                self.width(limit, elements.len())?;
                elements.iter().try_for_each(|operand| self.place(element, operand))?;
                self.agree(elements)
            }
            Operand::Vector(elements) => wrong(
                format!("`{}` takes {count} registers in braces; here are {}", self.opcode, elements.len()),
                None,
                None,
            ),
            Operand::Sink if matches!(element, Kind::Result { sink: true, .. }) => Ok(()),
            _ if count == 1 => self.place(element, operand),
            _ => wrong(format!("this operand has to be {count} registers in braces"), None, None),
        }
    }

    /// A tensor map and as many coordinates as the tensor has dimensions; five for rows that are gathered.
    fn tensor(&self, operand: &Operand) -> Result {
        let Operand::Address(address) = operand else {
            return wrong(
                "this operand has to be the address of a tensor map with coordinates, in brackets",
                None,
                None,
            );
        };
        let of_rows = self.opcode.has_any(&[Modifier::TileGather4, Modifier::TileScatter4]);
        let dimensions = self.opcode.modifiers().find_map(Modifier::dimensions);
        let wanted = if of_rows { 5 } else { dimensions.unwrap_or(address.coordinates.len()) };
        let given = address.coordinates.len();
        if given != wanted {
            return wrong(format!("`{}` takes {wanted} coordinates; {given} are here", self.opcode), None, None);
        }
        let ty = Type { base: Base::Fixed(PtxType::B32), relaxed: false };
        address.coordinates.iter().try_for_each(|operand| self.source(ty, false, operand))?;
        self.agree(&address.coordinates)
    }

    /// A vector in memory has a limit.
    fn width(&self, limit: u32, count: usize) -> Result {
        match self.opcode.ty() {
            Some(ty) if ty.size() as usize * count > limit as usize => wrong(
                format!("{count} values of type `.{ty}` are more than the {} bits of a vector", limit * 8),
                None,
                "use two instructions".to_owned(),
            ),
            _ => Ok(()),
        }
    }

    /// The registers of a vector have types that agree.
    fn agree(&self, elements: &[Operand]) -> Result {
        let mut first: Option<(&str, PtxType)> = None;
        for element in elements {
            let Operand::Name(name) = element else { continue };
            let Some(ty) = self.scope.register(name) else { continue };
            match first {
                Some((other, own)) if !register_fits(own, ty, false) && !register_fits(ty, own, false) => {
                    let message = format!("`{other}` and `{name}` have types that do not agree: `.{own}` and `.{ty}`");
                    return wrong(message, Some(name), "all registers in braces have one type".to_owned());
                }
                Some((_, own)) if own.is_bits() => first = Some((name, ty)),
                Some(_) => {}
                None => first = Some((name, ty)),
            }
        }
        Ok(())
    }
}
