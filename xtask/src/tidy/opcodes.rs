//! Nothing after the parser compares the text of an opcode of PTX: a misspelt word there would be no error of the
//! compiler. Readers ask `warpbook_ptx::isa`.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, ExprBinary, ExprMethodCall, Item, Lit, LitStr, Pat};
use warpbook_ptx::isa::{Mnemonic, Modifier, Opcode, Word};

use super::{Check, Outcome};
use crate::workspace::{Workspace, attributes, is_test_only};

/// The check.
pub const CHECK: Check = Check { name: "opcodes", run };

/// Where opcodes have their text.
const OWNER: &str = "crates/ptx/src/";
/// Methods that compare a text with their argument.
const COMPARISONS: &[&str] =
    &["contains", "ends_with", "eq", "find", "has", "starts_with", "strip_prefix", "strip_suffix", "take", "take_any"];
/// Names of instructions that are words of English, of Triton or of other languages too: alone they say nothing.
const COMMON: &[&str] = &[
    "abs",
    "add",
    "and",
    "bar",
    "barrier",
    "call",
    "cos",
    "div",
    "exit",
    "fence",
    "fma",
    "match",
    "max",
    "min",
    "mma",
    "mov",
    "mul",
    "neg",
    "not",
    "or",
    "red",
    "rem",
    "ret",
    "rsqrt",
    "set",
    "sin",
    "sqrt",
    "st",
    "sub",
    "tanh",
    "trap",
    "vote",
    "tensormap",
    "xor",
    "discard",
    "elect",
    "prefetch",
    "shl",
    "shr",
];
/// Parts of names of variables that hold an opcode or a part of one.
const HOLDERS: &[&str] = &["opcode", "mnemonic", "modifier"];

fn run(workspace: &Workspace) -> Outcome {
    let mut outcome = Outcome::default();
    let mut files = 0;
    for file in workspace.files.iter().filter(|file| !file.path.starts_with(OWNER)) {
        files += 1;
        let mut reader = Reader::default();
        reader.visit_file(&file.syntax);
        for (line, literal) in reader.found {
            outcome.problems.push(format!("{}:{line}: the text of an opcode is compared: {literal:?}", file.path));
        }
    }
    outcome.summary = format!("{} comparisons with the text of an opcode in {files} files", outcome.problems.len());
    outcome
}

/// True for a text that can hardly be anything but an opcode of PTX, or a part of one.
fn is_opcode(text: &str) -> bool {
    let modifiers = |text: &str| text.split('.').all(|word| Modifier::parse(word).is_some());
    if let Some(rest) = text.strip_prefix('.') {
        return modifiers(rest.trim_end_matches('.'));
    }
    let opcode = Opcode::parse(text.trim_end_matches('.'));
    let is_known = |word: &Word<Modifier>| matches!(word, Word::Known(_));
    if opcode.mnemonic().is_some() {
        let is_common = !text.contains('.') && COMMON.contains(&text);
        return !is_common && opcode.words().iter().all(is_known);
    }
    // `cp`, `wgmma`, `tcgen05`: the first word of names of several words.
    let begins = |own: &Mnemonic| own.name().split_once('.').is_some_and(|(first, _)| first == text);
    Mnemonic::ALL.iter().any(begins) && !COMMON.contains(&text) && text != "cp"
}

/// True if an expression names something that holds an opcode.
fn names_opcode(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(name) => {
            let name = name.to_string();
            name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && HOLDERS.iter().any(|part| name.contains(part))
        }
        TokenTree::Group(group) => names_opcode(group.stream()),
        _ => false,
    })
}

/// The string literals of tokens.
fn literals(tokens: TokenStream, found: &mut Vec<LitStr>) {
    for token in tokens {
        match token {
            TokenTree::Literal(literal) => {
                if let Ok(text) = syn::parse_str::<LitStr>(&literal.to_string()) {
                    found.push(LitStr::new(&text.value(), literal.span()));
                }
            }
            TokenTree::Group(group) => literals(group.stream(), found),
            _ => {}
        }
    }
}

#[derive(Default)]
struct Reader {
    /// Line and text of each literal that an opcode is compared with.
    found: Vec<(usize, String)>,
}

impl Reader {
    /// Notes the literals of a comparison, all of them where the other side holds an opcode.
    fn compare(&mut self, compared: TokenStream, other: TokenStream) {
        let certain = names_opcode(other);
        let mut texts = Vec::new();
        literals(compared, &mut texts);
        for text in texts.into_iter().filter(|text| certain || is_opcode(&text.value())) {
            self.found.push((text.span().start().line, text.value()));
        }
    }
}

fn tokens(syntax: &impl quote::ToTokens) -> TokenStream {
    syntax.to_token_stream()
}

impl Visit<'_> for Reader {
    fn visit_item(&mut self, item: &Item) {
        if !is_test_only(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_expr_binary(&mut self, expression: &ExprBinary) {
        if matches!(expression.op, BinOp::Eq(_) | BinOp::Ne(_)) {
            for (side, other) in [(&expression.left, &expression.right), (&expression.right, &expression.left)] {
                if is_literal(side) {
                    self.compare(tokens(side), tokens(other));
                }
            }
        }
        visit::visit_expr_binary(self, expression);
    }

    fn visit_expr_method_call(&mut self, call: &ExprMethodCall) {
        if COMPARISONS.iter().any(|method| call.method == method) {
            for argument in call.args.iter().filter(|argument| is_literal(argument)) {
                self.compare(tokens(argument), tokens(&call.receiver));
            }
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_pat(&mut self, pattern: &Pat) {
        if let Pat::Lit(literal) = pattern
            && let Lit::Str(text) = &literal.lit
            && is_opcode(&text.value())
        {
            self.found.push((text.span().start().line, text.value()));
        }
        visit::visit_pat(self, pattern);
    }

    fn visit_expr_match(&mut self, expression: &syn::ExprMatch) {
        if names_opcode(tokens(&expression.expr)) {
            for arm in &expression.arms {
                let mut texts = Vec::new();
                literals(tokens(&arm.pat), &mut texts);
                self.found.extend(texts.iter().map(|text| (text.span().start().line, text.value())));
            }
        }
        visit::visit_expr_match(self, expression);
    }

    fn visit_macro(&mut self, invocation: &syn::Macro) {
        if invocation.path.is_ident("matches") {
            self.compare(invocation.tokens.clone(), invocation.tokens.clone());
        }
        visit::visit_macro(self, invocation);
    }
}

/// True for a string literal, or one in `Some(…)`, `&`, `[…]` or parentheses.
fn is_literal(expression: &Expr) -> bool {
    match expression {
        Expr::Lit(literal) => matches!(literal.lit, Lit::Str(_)),
        Expr::Reference(reference) => is_literal(&reference.expr),
        Expr::Paren(inner) => is_literal(&inner.expr),
        Expr::Array(array) => array.elems.first().is_some_and(is_literal),
        Expr::Call(call) => call.args.len() == 1 && is_literal(&call.args[0]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opcodes_in(code: &str) -> Vec<String> {
        let mut reader = Reader::default();
        reader.visit_file(&syn::parse_file(&format!("fn f() {{ {code} }}")).expect("Rust"));
        let mut found: Vec<String> = reader.found.into_iter().map(|(_, text)| text).collect();
        found.dedup();
        found
    }

    #[test]
    fn comparisons_with_opcodes_are_found() {
        assert_eq!(opcodes_in("if text.starts_with(\"ld.global\") {}"), ["ld.global"]);
        assert_eq!(opcodes_in("if text.contains(\".cta_group::2\") {}"), [".cta_group::2"]);
        assert_eq!(opcodes_in("match base { \"prmt\" | \"wgmma\" => {} _ => {} }"), ["prmt", "wgmma"]);
        assert_eq!(opcodes_in("if opcode == \"add\" {}"), ["add"]);
        assert_eq!(opcodes_in("if modifier.is_some_and(|m| modifier == \"hi\") {}"), ["hi"]);
        assert_eq!(opcodes_in("match opcode.split('.').next() { Some(\"mov\") => {} _ => {} }"), ["mov"]);
        assert_eq!(opcodes_in("matches!(name, \"setp\")"), ["setp"]);
        assert_eq!(opcodes_in("if self.take(\"hi\") || opcode.has(\"sat\") {}"), ["sat"]);
    }

    #[test]
    fn other_texts_are_left_alone() {
        assert!(opcodes_in("if name == \"add\" || name.starts_with(\"tt.dot\") {}").is_empty());
        assert!(opcodes_in("let text = \"ld.global\"; print(\"st.shared\");").is_empty());
        assert!(opcodes_in("match dtype { \"f32\" | \"global\" => {} _ => {} }").is_empty());
        assert!(opcodes_in("if opcode.mnemonic() == Some(Mnemonic::Ld) {}").is_empty());
    }
}
