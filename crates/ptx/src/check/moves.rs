//! Operands of `mov`. PTX ISA 9.7.9.3 and 9.7.9.4.

use super::agreement::{constant_fits, register_fits};
use super::operand::{Operands, Result, wrong};
use super::scope::Meaning;
use super::special;
use crate::ast::Operand;
use crate::types::PtxType;

/// The destination: a register, or registers in braces that take it apart.
pub(super) fn destination(operands: &Operands<'_, '_>, operand: &Operand) -> Result {
    let Some(ty) = operands.opcode.ty() else { return Ok(()) };
    match operand {
        Operand::Vector(elements) => parts(operands, ty, elements, true),
        _ => operands.result_of(ty, operand),
    }
}

/// The source: a value, an address, a special register, or values in braces that are packed.
pub(super) fn source(operands: &Operands<'_, '_>, operand: &Operand) -> Result {
    let Some(ty) = operands.opcode.ty() else { return Ok(()) };
    let takes_addresses = matches!(ty.size(), 4 | 8) && !ty.is_float();
    match operand {
        Operand::Vector(elements) => parts(operands, ty, elements, false),
        Operand::Name(name) | Operand::NameOffset(name, _) => match operands.scope.find(name) {
            Some(Meaning::Register(_)) if matches!(operand, Operand::Name(_)) => operands.register_of(ty, name),
            Some(Meaning::Variable(_) | Meaning::Parameter | Meaning::Function) if takes_addresses => Ok(()),
            Some(Meaning::Variable(_) | Meaning::Parameter | Meaning::Function) => {
                wrong(format!("an address is no value of type `.{ty}`"), Some(name), "use `mov.b64`".to_owned())
            }
            Some(_) => wrong(format!("`{name}` is no value that `mov` takes"), Some(name), None),
            None => match special::ty(name) {
                Some(special::Holds::Vector) => {
                    let help = format!("name one of them: `{name}.x`");
                    wrong(format!("`{name}` is several registers"), Some(name), help)
                }
                Some(holds) if !holds.fits(ty) => {
                    wrong(format!("the special register `{name}` is no value of type `.{ty}`"), Some(name), None)
                }
                Some(_)
                    if special::is_of_clusters(name) && operands.target.is_some_and(|target| target.number < 90) =>
                {
                    wrong(format!("the special register `{name}` needs `.target sm_90` or later"), Some(name), None)
                }
                Some(_) => Ok(()),
                None if name == "WARP_SZ" => Ok(()),
                None => operands.unknown(name),
            },
        },
        Operand::Immediate(constant) if constant_fits(ty, *constant) => Ok(()),
        Operand::Immediate(_) => wrong(format!("this constant is no value of type `.{ty}`"), None, None),
        Operand::Not(name) if ty == PtxType::Pred => operands.register_of(ty, name),
        _ => wrong("`mov` takes a register, a constant, a variable or values in braces", None, None),
    }
}

/// Values in braces: together they have as many bits as the type, each the same number.
fn parts(operands: &Operands<'_, '_>, ty: PtxType, elements: &[Operand], is_result: bool) -> Result {
    use PtxType as T;
    if !matches!(ty, T::B16 | T::B32 | T::B64 | T::B128) {
        let help = format!("use `.b{}`", ty.size() * 8);
        return wrong(format!("`.{ty}` is not made of parts"), None, help);
    }
    let count = elements.len() as u32;
    let width = ty.size().checked_div(count).filter(|width| matches!(count, 2 | 4) && width * count == ty.size());
    let Some(part) = width.and_then(|width| match width {
        1 => Some(T::B8),
        2 => Some(T::B16),
        4 => Some(T::B32),
        8 => Some(T::B64),
        _ => None,
    }) else {
        return wrong(format!("{count} parts do not make a `.{ty}`"), None, None);
    };
    if elements.iter().all(|element| *element == Operand::Sink) {
        return wrong("a vector of `_` alone has no type", None, None);
    }
    for element in elements {
        match element {
            Operand::Sink if is_result => {}
            Operand::Immediate(constant) if !is_result && constant_fits(part, *constant) => {}
            Operand::Name(name) => match operands.scope.register(name) {
                Some(register) if register_fits(part, register, false) => {}
                Some(register) => {
                    let message = format!(
                        "`{name}` is a `.{register}` register; the parts of this `.{ty}` have {} bits",
                        part.size() * 8
                    );
                    return wrong(message, Some(name), None);
                }
                None => return operands.unknown(name),
            },
            _ => return wrong("the parts have to be registers", None, None),
        }
    }
    Ok(())
}
