//! Instructions made from the forms themselves, with registers of a module that has them of every type.

use warpbook_ptx::isa::Mnemonic;
use warpbook_ptx::isa::Modifier;
use warpbook_ptx::isa::forms::{Base, Count, Form, Kind, Type, forms};
use warpbook_ptx::{PtxType, Space};
use warpbook_test_support::random::Random;

use super::mutate::Parts;

/// Types that registers are declared with.
pub const REGISTERS: &[&str] =
    &["pred", "b16", "b32", "b64", "u16", "s16", "u32", "s32", "u64", "s64", "f16", "f32", "f64"];

/// The head of a module, up to the first instruction of its entry.
pub fn head(version: &str, target: &str) -> String {
    let mut text = format!(".version {version}\n.target {target}\n.address_size 64\n");
    text += ".global .align 16 .b8 gv[64];\n.shared .align 16 .b8 sv[1024];\n.const .align 16 .b8 cv[64];\n";
    text +=
        ".visible .entry k(.param .align 8 .b8 p[64])\n{\n.local .align 16 .b8 lv[64];\n.param .align 16 .b8 pv[64];\n";
    for ty in REGISTERS {
        text += &format!(".reg .{ty} %{ty}_<300>;\n");
    }
    text += if version >= "8.3" { ".reg .b128 %b128_<9>;\n" } else { "" };
    text + "L1:\n"
}

/// Names of a few registers of each type.
pub fn registers() -> Vec<String> {
    REGISTERS.iter().map(|ty| format!("%{ty}_1")).collect()
}

/// Some instances of every form of an instruction.
pub fn instances(mnemonic: Mnemonic, of_each: usize, random: &mut Random) -> Vec<Parts> {
    let mut instances = Vec::new();
    for form in forms(mnemonic) {
        for _ in 0..of_each {
            instances.extend(instance(mnemonic, form, random));
        }
    }
    instances
}

fn instance(mnemonic: Mnemonic, form: &Form, random: &mut Random) -> Option<Parts> {
    let mut words: Vec<Modifier> = Vec::new();
    for group in &form.groups {
        if !group.is_optional || random.below(2) == 0 {
            words.push(random.pick(&group.words).0);
        }
    }
    let mut maker =
        Maker { words, next: 0, is_store: matches!(mnemonic, Mnemonic::St | Mnemonic::Red | Mnemonic::Atom) };
    let mut operands = Vec::new();
    for place in &form.places {
        if !place.is_optional || random.below(2) == 0 {
            operands.push(maker.operand(&place.kind, random)?);
        }
    }
    let words = maker.words.iter().map(ToString::to_string).collect();
    Some(Parts { guard: String::new(), name: mnemonic.name().to_owned(), words, operands })
}

struct Maker {
    words: Vec<Modifier>,
    next: usize,
    is_store: bool,
}

impl Maker {
    fn ty(&self, ty: Type) -> Option<PtxType> {
        let mut types = self.words.iter().filter_map(|word| word.ty());
        match ty.base {
            Base::Fixed(ty) => Some(ty),
            Base::Nth(index) => types.nth(index),
            Base::Last => types.next_back(),
            Base::TwiceLast => match types.next_back()? {
                PtxType::S16 => Some(PtxType::S32),
                PtxType::U16 => Some(PtxType::U32),
                PtxType::S32 => Some(PtxType::S64),
                PtxType::U32 => Some(PtxType::U64),
                _ => None,
            },
        }
    }

    fn register(&mut self, ty: Type) -> Option<String> {
        let ty = self.ty(ty)?;
        let name = match ty {
            PtxType::B128 => "b128",
            PtxType::Pred => "pred",
            _ if REGISTERS.contains(&ty.name()) => ty.name(),
            _ => match ty.size() {
                1 | 2 => "b16",
                4 => "b32",
                _ => "b64",
            },
        };
        self.next += 1;
        Some(format!("%{name}_{}", if name == "b128" { self.next % 9 } else { self.next }))
    }

    fn operand(&mut self, kind: &Kind, random: &mut Random) -> Option<String> {
        Some(match kind {
            Kind::Result { ty, .. } => self.register(*ty)?,
            Kind::Source { ty, .. } | Kind::Pointer(ty) => self.register(*ty)?,
            Kind::Constant(limits) => {
                let count = (limits.high - limits.low) / limits.multiple + 1;
                (limits.low + random.below(count.min(32) as usize) as i64 * limits.multiple).to_string()
            }
            Kind::Predicate { .. } => self.register(Type { base: Base::Fixed(PtxType::Pred), relaxed: false })?,
            Kind::Address(nth) => match self.space(*nth) {
                Some(Space::Const) => "[cv]".to_owned(),
                Some(Space::Local) => "[lv]".to_owned(),
                Some(Space::Param) if self.is_store => "[pv]".to_owned(),
                Some(Space::Param) => "[p]".to_owned(),
                _ => "[%b64_1]".to_owned(),
            },
            Kind::SharedAddress | Kind::TensorMemoryAddress => "[%b32_1]".to_owned(),
            Kind::TensorAddress => {
                let gathers = [Modifier::TileGather4, Modifier::TileScatter4];
                let count = self.words.iter().find_map(|word| word.dimensions()).unwrap_or(1);
                let count = if self.words.iter().any(|word| gathers.contains(word)) { 5 } else { count };
                let coordinates: Vec<String> = (0..count).map(|index| format!("%s32_{index}")).collect();
                format!("[%b64_1, {{{}}}]", coordinates.join(", "))
            }
            Kind::Vector(element, count) => {
                let count = match count {
                    Count::Exactly(count) => *count,
                    Count::ByVector | Count::ByWideVector => {
                        match self.words.iter().find_map(|word| word.vector_length()) {
                            Some(count) => count,
                            None => return self.operand(element, random),
                        }
                    }
                    Count::ByColumns(divisor) => {
                        let columns = self.words.iter().find_map(|word| match word {
                            Modifier::Shape(shape) => Some(usize::from(shape.n)),
                            _ => None,
                        });
                        columns? / divisor
                    }
                    Count::ByRepetition(times) => {
                        times * self.words.iter().find_map(|word| word.repetitions()).unwrap_or(1)
                    }
                };
                let elements: Option<Vec<String>> = (0..count).map(|_| self.operand(element, random)).collect();
                format!("{{{}}}", elements?.join(", "))
            }
            Kind::Pair(first, second, is_optional) => {
                let first = self.operand(first, random)?;
                if *is_optional && random.below(2) == 0 {
                    return Some(first);
                }
                format!("{first}|{}", self.operand(second, random)?)
            }
            Kind::Sink => "_".to_owned(),
            Kind::Label => "L1".to_owned(),
            Kind::MovTo | Kind::Mov => self.register(Type { base: Base::Last, relaxed: false })?,
            Kind::Any | Kind::Rest => return None,
        })
    }

    fn space(&self, nth: usize) -> Option<Space> {
        let spaces = self.words.iter().filter_map(|word| match word {
            Modifier::Global => Some(Space::Global),
            Modifier::Local => Some(Space::Local),
            Modifier::Const => Some(Space::Const),
            word if word.is_shared() => Some(Space::Shared),
            word if word.is_param() => Some(Space::Param),
            _ => None,
        });
        let spaces: Vec<Space> = spaces.collect();
        spaces.get(nth).copied()
    }
}
