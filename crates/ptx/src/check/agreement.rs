//! Which registers and constants an operand of a type takes. PTX ISA 9.4, "Operand Type Checking", and 4.5, "Constants".

use crate::ast::Immediate;
use crate::types::PtxType;

/// The kinds of types that agree among themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `.b8` to `.b128`: agrees with every type of the size.
    Bits,
    /// Signed and unsigned integers.
    Integer,
    /// Numbers that agree with their own type and with bits alone.
    Float,
    /// `.pred` alone.
    Predicate,
}

fn kind(ty: PtxType) -> Kind {
    use PtxType as T;
    match ty {
        T::B8 | T::B16 | T::B32 | T::B64 | T::B128 => Kind::Bits,
        T::S8 | T::S16 | T::S32 | T::S64 | T::U8 | T::U16 | T::U32 | T::U64 => Kind::Integer,
        T::Pred => Kind::Predicate,
        _ => Kind::Float,
    }
}

/// True if an operand of a type may be a register of a type. A relaxed operand takes wider registers too.
pub(super) fn register_fits(operand: PtxType, register: PtxType, relaxed: bool) -> bool {
    use PtxType as T;
    if operand == register {
        return true;
    }
    let (kinds, is_wider) = ((kind(operand), kind(register)), register.size() > operand.size());
    // No register is declared with these types: each stands for bits of its size.
    let is_bits_alone = matches!(operand, T::Bf16 | T::Bf16x2 | T::F16x2);
    if register.size() < operand.size() || is_wider && (!relaxed || is_bits_alone) {
        return false;
    }
    match kinds {
        (Kind::Predicate, _) | (_, Kind::Predicate) => false,
        // ptxas takes `.f16x2` where it takes an integer.
        (Kind::Bits, _) | (_, Kind::Bits) | (Kind::Integer, Kind::Integer) => true,
        (Kind::Integer, Kind::Float) => register == T::F16x2,
        _ => false,
    }
}

/// True if an operand of a type may be a constant.
pub(super) fn constant_fits(operand: PtxType, constant: Immediate) -> bool {
    use PtxType as T;
    match constant {
        Immediate::Integer(_) => kind(operand) != Kind::Float,
        Immediate::F32(_) => matches!(operand, T::F32 | T::F64 | T::B32),
        Immediate::F64(_) => matches!(operand, T::F32 | T::F64 | T::B64),
    }
}

/// Registers that an operand of a type takes, in words: `.b32 or .f32`.
pub(super) fn wanted(operand: PtxType, relaxed: bool) -> String {
    use PtxType as T;
    const ALL: [PtxType; 15] = [
        T::B16,
        T::B32,
        T::B64,
        T::B128,
        T::U16,
        T::S16,
        T::U32,
        T::S32,
        T::U64,
        T::S64,
        T::F16,
        T::F16x2,
        T::F32,
        T::F64,
        T::Pred,
    ];
    let fitting =
        ALL.into_iter().filter(|&ty| register_fits(operand, ty, relaxed) && (ty != T::F16x2 || operand == ty));
    join(fitting.map(|ty| format!("`.{ty}`")))
}

/// Words as a list to choose from: `a, b or c`.
pub(super) fn join(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.collect();
    match words.pop() {
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} or {last}", words.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PtxType as T;

    /// What ptxas 12.8 takes.
    #[test]
    fn registers_agree_by_size_and_kind() {
        for (operand, register, strict, relaxed) in [
            (T::B32, T::F32, true, true),
            (T::F32, T::B32, true, true),
            (T::S32, T::U32, true, true),
            (T::S32, T::F32, false, false),
            (T::F32, T::U32, false, false),
            (T::B32, T::F64, false, true),
            (T::F32, T::B64, false, true),
            (T::F32, T::F64, false, false),
            (T::U8, T::U32, false, true),
            (T::U8, T::F32, false, false),
            (T::B8, T::F16, false, true),
            (T::F16, T::U16, false, false),
            (T::Bf16, T::B16, true, true),
            (T::Bf16, T::B32, false, false),
            (T::Bf16, T::F16, false, false),
            (T::F16x2, T::U32, false, false),
            (T::Pred, T::B32, false, false),
            (T::B64, T::B32, false, false),
        ] {
            assert_eq!(register_fits(operand, register, false), strict, "{operand} {register}");
            assert_eq!(register_fits(operand, register, true), relaxed, "{operand} {register}, relaxed");
        }
    }

    #[test]
    fn constants_agree_with_their_kind() {
        let (integer, single, double) = (Immediate::Integer(1), Immediate::F32(0), Immediate::F64(0));
        let fits = |ty| [integer, single, double].map(|constant| constant_fits(ty, constant));
        assert_eq!(fits(T::S32), [true, false, false]);
        assert_eq!(fits(T::B32), [true, true, false]);
        assert_eq!(fits(T::B64), [true, false, true]);
        assert_eq!(fits(T::F32), [false, true, true]);
        assert_eq!(fits(T::F16), [false; 3]);
    }

    #[test]
    fn what_is_wanted_is_said_in_words() {
        assert_eq!(wanted(T::F32, false), "`.b32` or `.f32`");
        assert_eq!(wanted(T::F16, false), "`.b16` or `.f16`");
    }
}
