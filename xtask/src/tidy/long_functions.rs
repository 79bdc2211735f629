//! Functions are short enough to be read at once.

use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItemFn, Item, ItemFn, Signature, TraitItemFn};

use super::{Check, Outcome};
use crate::workspace::{Workspace, attributes, is_test_only};

/// The check.
pub const CHECK: Check = Check { name: "long-functions", run };

/// Lines of a function, from its signature to its closing brace.
const LONG: usize = 100;
/// Longer functions that may stay: `visit`, `execute` and `select` of the emulator are each one match over every operation or
/// instruction, an arm of a line or two for each, so that what is forgotten does not compile.
const BOUND: usize = 3;

fn run(workspace: &Workspace) -> Outcome {
    let mut found = Vec::new();
    let mut functions = 0;
    for file in &workspace.files {
        let mut reader = Reader::default();
        reader.visit_file(&file.syntax);
        functions += reader.functions.len();
        let long = reader.functions.into_iter().filter(|function| function.lines > LONG);
        found.extend(long.map(|function| (function, file.path.as_str())));
    }
    found.sort_by_key(|(function, path)| (std::cmp::Reverse(function.lines), *path));
    let mut outcome = Outcome::bounded(&format!("functions over {LONG} lines"), found.len(), BOUND);
    outcome.summary += &format!(", of {functions}");
    let shown = |(function, path): (Function, &str)| {
        format!("{} lines: {path}:{} {}", function.lines, function.line, function.name)
    };
    outcome.details = found.into_iter().map(shown).collect();
    outcome
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

#[derive(Default)]
struct Reader {
    functions: Vec<Function>,
}

impl Reader {
    fn add(&mut self, attributes: &[Attribute], signature: &Signature, body: &Block) {
        if is_test_only(attributes) {
            return;
        }
        let line = signature.fn_token.span.start().line;
        let lines = body.brace_token.span.close().end().line + 1 - line;
        self.functions.push(Function { name: signature.ident.to_string(), line, lines });
    }
}

impl Visit<'_> for Reader {
    fn visit_item(&mut self, item: &Item) {
        if !is_test_only(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &ItemFn) {
        self.add(&function.attrs, &function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &ImplItemFn) {
        self.add(&function.attrs, &function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &TraitItemFn) {
        if let Some(body) = &function.default {
            self.add(&function.attrs, &function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}
