//! What a view is of: `KERNEL[@VERSION]`, and options.

use std::ops::Range;

use crate::frontend::Stream;
use crate::magics::cells::edit;
use crate::magics::{Call, Spec};
use crate::workspace::{Context, Version, Workspace};
use warpbook_compiler::{CompileRequest, Compiled, Progress, Stage};
use warpbook_diagnostic::{Diagnostic, Result, nearest};

/// The words of a view's arguments: positional ones, and options with their values.
pub struct Words {
    /// In order.
    pub positional: Vec<Range<usize>>,
    /// Name and the span of its value; a switch has its own span.
    pub options: Vec<(&'static str, Range<usize>)>,
}

impl Words {
    /// Takes the arguments apart; an unknown option is an error.
    pub fn of(call: &Call<'_>, spec: &'static Spec) -> Result<Self> {
        let text = &call.cell.text;
        let mut words = edit::words(text, call.arguments.clone());
        let mut found = Self { positional: Vec::new(), options: Vec::new() };
        while let Some(word) = words.next() {
            let content = &text[word.clone()];
            if !content.starts_with("--") {
                found.positional.push(word);
                continue;
            }
            let name = content.split('=').next().unwrap_or(content);
            let Some(option) = spec.options.iter().find(|option| option.name == name) else {
                let error = Diagnostic::error("unknown-option", format!("`%{}` has no option `{name}`", spec.name));
                let error = error.at(word.start..word.start + name.len(), "");
                return Err(match nearest(name, spec.options.iter().map(|option| option.name)) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help(format!("%{} {}", spec.name, spec.usage)),
                });
            };
            let value = if option.value.is_empty() {
                word
            } else if name.len() < content.len() {
                word.start + name.len() + 1..word.end
            } else if let Some(value) = words.next() {
                value
            } else {
                let error = Diagnostic::error("missing-value", format!("`{name}` wants {}", option.value));
                return Err(error.at(word, ""));
            };
            found.options.push((option.name, value));
        }
        Ok(found)
    }

    /// The value of an option.
    pub fn option(&self, name: &str) -> Option<Range<usize>> {
        self.options.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    /// Refuses more words than a view takes.
    pub fn at_most(&self, count: usize, call: &Call<'_>, spec: &Spec) -> Result<()> {
        let Some(word) = self.positional.get(count) else { return Ok(()) };
        let text = &call.cell.text[word.clone()];
        let error = Diagnostic::error("unexpected-argument", format!("`%{}` has no use for `{text}`", spec.name));
        Err(error.at(word.clone(), "").help(format!("%{} {}", spec.name, spec.usage)))
    }
}

/// A version of a kernel.
#[derive(Clone)]
pub struct Subject {
    /// The kernel.
    pub name: String,
    /// The version.
    pub version: Version,
}

impl Subject {
    /// `KERNEL`, `KERNEL@N`; without a word the kernel that was used last.
    pub fn of(word: Option<&Range<usize>>, call: &Call<'_>, workspace: &Workspace) -> Result<Self> {
        let text = &call.cell.text;
        let (name, number) = match word {
            None => (None, None),
            Some(word) => match text[word.clone()].split_once('@') {
                None => (Some(word.clone()), None),
                Some((name, _)) => {
                    let name = word.start..word.start + name.len();
                    (Some(name.clone()).filter(|name| !name.is_empty()), Some(name.end + 1..word.end))
                }
            },
        };
        let kernel = edit::kernel(workspace, name.as_ref().map(|span| (&text[span.clone()], span.clone())), call)?;
        let version = match number {
            Some(span) => edit::numbered(kernel, &text[span.clone()], span)?,
            None => edit::newest(kernel, call)?,
        };
        Ok(Self { name: kernel.name.clone(), version: version.clone() })
    }

    /// `matmul v3 · sm_80 · Triton 3.4.0`
    pub fn headline(&self) -> String {
        let triton = self.version.triton.as_ref().map(|triton| format!(" · Triton {triton}")).unwrap_or_default();
        format!("{} v{} · {}{triton}", self.name, self.version.number, self.version.target)
    }

    /// The Triton that made it, or the one that would.
    pub fn triton(&self, workspace: &Workspace) -> String {
        self.version.triton.clone().unwrap_or_else(|| workspace.triton_for(self.version.entered))
    }

    /// A compilation of one of its texts, with what it was compiled with.
    pub fn request(&self, entry: Stage, until: Stage, text: &str, workspace: &Workspace) -> CompileRequest {
        let mut request = CompileRequest::new(entry, until, text, self.version.target);
        request.name = Some(self.name.clone());
        request.triton = self.triton(workspace);
        // What the text says itself is not to be said again.
        let in_text = |name: &str| entry != Stage::Ttir && ["num_warps", "num_stages", "num_ctas"].contains(&name);
        let wanted = |name: &str| !in_text(name) && (entry != Stage::Ptx || name == "enable_fp_fusion");
        let options = self.version.options.iter().filter(|(name, _)| wanted(name));
        request.options = options.map(|(name, value)| (name.clone(), value.clone())).collect();
        request
    }
}

/// Compiles; a failure is the view's.
pub fn compile(request: &CompileRequest, workspace: &mut Workspace, context: Context<'_>) -> Result<Compiled> {
    let compiled = workspace.compiler.compile(request, context.cancel, &mut |news| told(news, context));
    compiled.map_err(|failure| {
        let diagnostic = failure.diagnostic;
        // Without a source of its own it speaks of the text that was compiled.
        let extension = if request.entry.is_python() { "py" } else { request.entry.name() };
        let name = format!("{}.{extension}", request.name.as_deref().unwrap_or("kernel"));
        let source = warpbook_diagnostic::Source::new(name, request.text.clone());
        diagnostic.in_source(&source)
    })
}

/// Tells the reader of a long wait.
pub fn told(news: Progress<'_>, context: Context<'_>) {
    if let Progress::Environment(line) = news {
        context.frontend.stream(Stream::Stderr, &format!("{line}\n"));
    }
}
