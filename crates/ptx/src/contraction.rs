//! Multiplications and additions that PTX allows to be contracted into one rounding (PTX ISA 9.7.3.3: without a rounding
//! modifier), and a text in which chosen ones are. `div.full` is one of the multiplications: by the reciprocal.

use std::collections::HashMap;
use std::ops::Range;

use super::ast::{Function, Instruction, Operand, Statement};
use super::folding::Folding;
use super::isa::{Mnemonic, Modifier, Opcode};
use super::quotient::{operands, reciprocal};
use super::types::PtxType;

/// An addition or subtraction, one of whose operands is a product that is used for nothing that has to be rounded before.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The addition or subtraction.
    sum: Instruction,
    /// Its operands that are products.
    pub products: Vec<Product>,
}

/// The product that an addition takes.
#[derive(Clone, Debug)]
pub struct Product {
    /// The multiplication, or the `div.full`.
    multiply: Instruction,
    /// Number of the addition's operand that holds the product: 1 or 2.
    operand: usize,
    /// True if it is a `div.full.f32`, which ptxas writes as a product with the reciprocal.
    divides: bool,
    /// True if a `neg` stands between the multiplication and the addition.
    negated: bool,
    /// Operands of the multiplication whose registers are written more than once.
    rewritten: [bool; 2],
}

impl Candidate {
    /// Where the addition stands in the text.
    pub fn place(&self) -> usize {
        self.sum.span.start
    }
}

impl Product {
    /// Where the multiplication stands in the text.
    pub fn place(&self) -> usize {
        self.multiply.span.start
    }
}

/// Floating-point arithmetic to nearest that names no rounding: `add.ftz.f32`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Arithmetic {
    mnemonic: Mnemonic,
    ty: PtxType,
    flushes: bool,
    saturates: bool,
}

impl Arithmetic {
    /// `None` with any other modifier than `.ftz` and `.sat`, or for integers.
    fn from_opcode(opcode: &Opcode) -> Option<Self> {
        use PtxType::{Bf16, Bf16x2, F16, F16x2, F32, F64};
        let ty = opcode.ty().filter(|ty| matches!(ty, F32 | F64 | F16 | F16x2 | Bf16 | Bf16x2))?;
        let is_allowed = |word| [Modifier::Ftz, Modifier::Sat, Modifier::Type(ty)].iter().any(|own| word == own);
        let (flushes, saturates) = (opcode.has(Modifier::Ftz), opcode.has(Modifier::Sat));
        let names_one_type = opcode.types().count() == 1;
        let mnemonic = opcode.mnemonic()?;
        (names_one_type && opcode.words().iter().all(is_allowed)).then_some(Self { mnemonic, ty, flushes, saturates })
    }
}

/// True for `neg` of a type, with or without `.ftz`.
fn negates(opcode: &Opcode, ty: PtxType) -> bool {
    Arithmetic::from_opcode(opcode).is_some_and(|own| own.mnemonic == Mnemonic::Neg && own.ty == ty && !own.saturates)
}

/// True for `div.full.f32`.
fn divides_by_reciprocal(opcode: &Opcode) -> bool {
    opcode.mnemonic() == Some(Mnemonic::Div)
        && opcode.modifiers().eq([Modifier::Full, Modifier::Type(PtxType::F32)])
        && opcode.words().len() == 2
}

fn name_of(operand: Option<&Operand>) -> Option<&str> {
    match operand {
        Some(Operand::Name(name)) => Some(name),
        _ => None,
    }
}

/// How often each name is written, and by which instruction of the function's own scope last.
#[derive(Default)]
struct Definitions<'a> {
    writers: HashMap<&'a str, (usize, Option<&'a Instruction>)>,
}

impl<'a> Definitions<'a> {
    fn collect(&mut self, statements: &'a [Statement], outermost: bool) {
        for statement in statements {
            match statement {
                Statement::Block(inner) => self.collect(inner, false),
                Statement::Instruction(instruction) => {
                    if let Some(operand) = instruction.operands.first() {
                        self.written(operand, outermost.then_some(instruction));
                    }
                }
                _ => {}
            }
        }
    }

    fn written(&mut self, operand: &'a Operand, by: Option<&'a Instruction>) {
        match operand {
            Operand::Name(name) => {
                let entry = self.writers.entry(name).or_default();
                *entry = (entry.0 + 1, by);
            }
            Operand::Vector(parts) | Operand::List(parts) => parts.iter().for_each(|part| self.written(part, None)),
            Operand::Pair(first, second) => {
                self.written(first, None);
                self.written(second, None);
            }
            _ => {}
        }
    }

    /// The only instruction that writes a register.
    fn only(&self, name: &str) -> Option<&'a Instruction> {
        match self.writers.get(name) {
            Some((1, by)) => *by,
            _ => None,
        }
    }

    fn is_rewritten(&self, operand: Option<&Operand>) -> bool {
        name_of(operand).is_some_and(|name| self.writers.get(name).is_some_and(|(count, _)| *count > 1))
    }

    fn product(&self, operand: usize, sum: &Instruction, addition: Arithmetic) -> Option<Product> {
        let Arithmetic { ty, flushes, .. } = addition;
        let mut writer = self.only(name_of(sum.operands.get(operand))?)?;
        let negated = negates(&writer.opcode, ty);
        if negated {
            writer = self.only(name_of(writer.operands.get(1))?)?;
        }
        let divides = divides_by_reciprocal(&writer.opcode) && ty == PtxType::F32 && !flushes;
        let product = Arithmetic { mnemonic: Mnemonic::Mul, saturates: false, ..addition };
        let multiplies = Arithmetic::from_opcode(&writer.opcode) == Some(product);
        if !(divides || multiplies) || writer.guard.is_some() {
            return None;
        }
        let rewritten = [1, 2].map(|index| self.is_rewritten(writer.operands.get(index)));
        Some(Product { multiply: writer.clone(), operand, divides, negated, rewritten })
    }
}

/// The additions of a function that could be contracted.
pub fn candidates(function: &Function) -> Vec<Candidate> {
    let Some(body) = &function.body else { return Vec::new() };
    let mut definitions = Definitions::default();
    definitions.collect(body, true);
    let mut found = Vec::new();
    for statement in body {
        let Statement::Instruction(sum) = statement else { continue };
        let Some(addition) = Arithmetic::from_opcode(&sum.opcode) else { continue };
        if !matches!(addition.mnemonic, Mnemonic::Add | Mnemonic::Sub) || sum.guard.is_some() {
            continue;
        }
        let products: Vec<Product> =
            [1, 2].into_iter().filter_map(|operand| definitions.product(operand, sum, addition)).collect();
        if !products.is_empty() {
            found.push(Candidate { sum: sum.clone(), products });
        }
    }
    found
}

/// The text with some of its candidates contracted, each with the index of its product, and with what ptxas computed
/// itself. Lines stay where they are.
pub fn contract(text: &str, chosen: &[(&Candidate, usize)], folded: &[&Folding]) -> String {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    // What a multiplication's operands were, where they are written again: by the place of the multiplication.
    let mut saved: HashMap<usize, [String; 2]> = HashMap::new();
    for (candidate, product) in chosen {
        let Some(product) = candidate.products.get(*product) else { continue };
        let (Some(multiply), Some(sum)) =
            (text.get(product.multiply.span.clone()), text.get(candidate.sum.span.clone()))
        else {
            continue;
        };
        let (Some([_, a, b]), Some([d, x, y])) = (operands(multiply), operands(sum)) else { continue };
        let Some(addition) = Arithmetic::from_opcode(&candidate.sum.opcode) else { continue };
        let Arithmetic { ty, flushes, saturates, .. } = addition;
        let bits = match ty.size() {
            8 => PtxType::B64,
            2 => PtxType::B16,
            _ => PtxType::B32,
        };
        let subtracts = addition.mnemonic == Mnemonic::Sub;
        let place = product.multiply.span.start;
        let number = saved.len();
        let [a, b] = saved
            .entry(place)
            .or_insert_with(|| {
                let mut before = String::new();
                let names = [(a, 0), (b, 1)].map(|(operand, index)| {
                    if !product.rewritten[index] {
                        return operand.to_owned();
                    }
                    let name = format!("%contracted{number}_{index}");
                    before += &format!(".reg .{bits} {name}; mov.{bits} {name}, {operand}; ");
                    name
                });
                if !before.is_empty() {
                    edits.push((place..place, before));
                }
                names
            })
            .clone();
        let other = if product.operand == 1 { y } else { x };
        let negate_product = product.negated != (subtracts && product.operand == 2);
        let negate_other = subtracts && product.operand == 1;
        let mut replacement = String::from("{ ");
        let (a, b) = match product.divides {
            true => {
                let is_folded = folded.iter().any(|folding| folding.place() == place);
                replacement += &reciprocal(&a, &b, false, is_folded);
                ("%dividend".to_owned(), "%reciprocal".to_owned())
            }
            false => (a, b),
        };
        let mut negate = |operand: String, negated: bool, temporary: &str| {
            if !negated {
                return operand;
            }
            replacement += &format!(".reg .{bits} {temporary}; neg.{ty} {temporary}, {operand}; ");
            temporary.to_owned()
        };
        let a = negate(a, negate_product, "%negated_product");
        let c = negate(other.to_owned(), negate_other, "%negated_addend");
        let (ftz, sat) = (if flushes { ".ftz" } else { "" }, if saturates { ".sat" } else { "" });
        replacement += &format!("fma.rn{ftz}{sat}.{ty} {d}, {a}, {b}, {c}; }}");
        let mut span = candidate.sum.span.clone();
        if !sum.ends_with(';') {
            // The semicolon after the instruction becomes that of nothing; a block takes none.
            let rest = text[span.end..].len() - text[span.end..].trim_start().len();
            span.end += rest + usize::from(text[span.end + rest..].starts_with(';'));
        }
        edits.push((span, replacement));
    }
    // What is inserted before an instruction comes before what replaces it.
    edits.extend(folded.iter().filter_map(|folding| folding.replacement(text)));
    edits.sort_by_key(|(span, _)| span.start);
    let (mut contracted, mut copied) = (String::with_capacity(text.len()), 0);
    for (span, replacement) in edits {
        contracted += text.get(copied..span.start).unwrap_or_default();
        contracted += &replacement;
        copied = span.end;
    }
    contracted + text.get(copied..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = ".version 8.4\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 p)\n{\n\
        .reg .f32 %f<20>;\n\
        mul.f32 %f3, %f1, %f2;\n\
        add.f32 %f4, %f3, %f1;\n\
        mul.rn.f32 %f5, %f1, %f2;\n\
        add.f32 %f6, %f5, %f1;\n\
        mul.f32 %f7, %f6, %f2;\n\
        neg.f32 %f8, %f7;\n\
        sub.f32 %f9, %f1, %f8;\n\
        mov.f32 %f6, %f1;\n\
        sub.f32 %f10, %f3, %f7;\n\
        ret;\n}\n";

    #[test]
    fn pairs_without_a_rounding_can_be_contracted() {
        let module = crate::parse(TEXT).expect("parses");
        let found = candidates(module.entries().next().expect("an entry"));
        let lines: Vec<usize> =
            found.iter().map(|candidate| TEXT[..candidate.place()].matches('\n').count() + 1).collect();
        assert_eq!(lines, [8, 13, 15]);
        assert_eq!(found[2].products.len(), 2);
        let contracted = contract(TEXT, &[(&found[0], 0), (&found[1], 0), (&found[2], 1)], &[]);
        assert_eq!(contracted.lines().count(), TEXT.lines().count());
        let lines: Vec<&str> = contracted.lines().collect();
        assert_eq!(lines[7], "{ fma.rn.f32 %f4, %f1, %f2, %f1; }");
        // %f6 is written again before line 15.
        assert_eq!(lines[10], ".reg .b32 %contracted1_0; mov.b32 %contracted1_0, %f6; mul.f32 %f7, %f6, %f2;");
        // −(−product) is the product.
        assert_eq!(lines[12], "{ fma.rn.f32 %f9, %contracted1_0, %f2, %f1; }");
        assert_eq!(
            lines[14],
            "{ .reg .b32 %negated_product; neg.f32 %negated_product, %contracted1_0; \
             fma.rn.f32 %f10, %negated_product, %f2, %f3; }"
        );
        crate::parse(&contracted).expect("still PTX");
    }

    #[test]
    fn a_quotient_is_a_product_with_the_reciprocal() {
        let text = TEXT.replace("mul.f32 %f3", "div.full.f32 %f3");
        let module = crate::parse(&text).expect("parses");
        let found = candidates(module.entries().next().expect("an entry"));
        let contracted = contract(&text, &[(&found[0], 0)], &[]);
        let line = contracted.lines().nth(7).unwrap_or_default();
        assert!(
            line.contains("mul.rn.f32 %dividend, %f1, %scale") && line.contains("abs.f32 %magnitude, %f2"),
            "{line}"
        );
        assert!(line.ends_with("fma.rn.f32 %f4, %dividend, %reciprocal, %f1; }"), "{line}");
        crate::parse(&contracted).expect("still PTX");
    }
}
