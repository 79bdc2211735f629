//! Doc comments say something: one of a word or two repeats the name or leaves the reader to guess.

use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprLit, Item, Lit, Meta};

use super::{Check, Outcome};
use crate::workspace::{Workspace, attributes, is_test_only};

/// The check.
pub const CHECK: Check = Check { name: "short-docs", run };

/// Words of a doc comment that says too little.
const SHORT: usize = 2;
/// Doc comments that may be as short as that: none.
const BOUND: usize = 0;

fn run(workspace: &Workspace) -> Outcome {
    let mut short = Vec::new();
    let mut comments = 0;
    for file in &workspace.files {
        let mut reader = Reader::default();
        reader.visit_file(&file.syntax);
        comments += reader.comments.len();
        let found = reader.comments.into_iter().filter(|comment| is_short(&comment.text));
        short.extend(found.map(|comment| format!("{}:{} {}", file.path, comment.line, comment.text.trim())));
    }
    let mut outcome = Outcome::bounded(&format!("doc comments of {SHORT} words or fewer"), short.len(), BOUND);
    outcome.summary += &format!(", of {comments}");
    outcome.details = short;
    outcome
}

/// True for few words that are no example in code: "`a[3]`" on the variant of a syntax tree is enough.
fn is_short(text: &str) -> bool {
    text.split_whitespace().count() <= SHORT && !text.trim_start().starts_with('`')
}

struct Comment {
    line: usize,
    text: String,
}

#[derive(Default)]
struct Reader {
    comments: Vec<Comment>,
    /// The line of the last doc attribute: the next line continues its comment.
    last: usize,
}

impl Visit<'_> for Reader {
    fn visit_item(&mut self, item: &Item) {
        if !is_test_only(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_attribute(&mut self, attribute: &Attribute) {
        let Meta::NameValue(meta) = &attribute.meta else { return };
        let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &meta.value else { return };
        if !meta.path.is_ident("doc") {
            return;
        }
        let line = attribute.pound_token.spans[0].start().line;
        match self.comments.last_mut() {
            Some(comment) if self.last + 1 == line => comment.text += &text.value(),
            _ => self.comments.push(Comment { line, text: text.value() }),
        }
        self.last = line;
    }
}
