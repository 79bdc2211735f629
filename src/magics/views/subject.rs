//! What a view is of: `KERNEL[@VERSION]`, and options.

use crate::frontend::Stream;
use crate::magics::Call;
use crate::magics::cells::edit;
use crate::magics::declare::kinds::{Kernel, KernelName};
use crate::magics::declare::{Argument, Typed};
use crate::workspace::{Context, Version, Workspace};
use warpbook_compiler::{CompileRequest, Compiled, Progress, Stage};
use warpbook_diagnostic::Result;
use warpbook_process::cancel::Cancel;

/// The kernel that a view is of.
pub const KERNEL: Argument<Kernel> = Argument::optional(
    "KERNEL",
    Kernel,
    "the kernel; without it, the one used last. `matmul@2` is its version 2; without a number, its newest",
);

/// A version of a kernel.
#[derive(Clone)]
pub struct Subject {
    /// Name of the kernel.
    pub name: String,
    /// One version of that kernel, with its stages.
    pub version: Version,
}

impl Subject {
    /// The kernel that a view was given, or the one that was used last.
    pub fn typed(typed: &Typed<'_>, workspace: &Workspace) -> Result<Self> {
        Self::named(typed.get(&KERNEL), typed.call, workspace)
    }

    /// The kernel of a name; without one, the kernel that was used last.
    pub fn named(named: Option<&KernelName>, call: &Call<'_>, workspace: &Workspace) -> Result<Self> {
        let name = named.and_then(|named| named.name.as_ref());
        let kernel = edit::kernel(workspace, name.map(|name| (name.value.as_str(), name.span.clone())), call)?;
        let version = match named.and_then(|named| named.version.as_ref()) {
            Some(number) => edit::numbered(kernel, &number.value, number.span.clone())?,
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
    pub fn triton(&self, workspace: &Workspace, cancel: &Cancel) -> Result<String> {
        match &self.version.triton {
            Some(triton) => Ok(triton.clone()),
            None => workspace.triton_for(self.version.entered, cancel),
        }
    }

    /// A compilation of one of its texts, with what it was compiled with.
    pub fn request(
        &self,
        entry: Stage,
        until: Stage,
        text: &str,
        workspace: &Workspace,
        cancel: &Cancel,
    ) -> Result<CompileRequest> {
        let mut request = CompileRequest::new(entry, until, text, self.version.target);
        request.name = Some(self.name.clone());
        request.triton = self.triton(workspace, cancel)?;
        // What the text says itself is not to be said again.
        let in_text = |name: &str| entry != Stage::Ttir && ["num_warps", "num_stages", "num_ctas"].contains(&name);
        let wanted = |name: &str| !in_text(name) && (entry != Stage::Ptx || name == "enable_fp_fusion");
        let options = self.version.options.iter().filter(|(name, _)| wanted(name));
        request.options = options.map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(request)
    }
}

/// Compiles; a failure is the view's.
pub fn compile(request: &CompileRequest, workspace: &mut Workspace, context: Context<'_>) -> Result<Compiled> {
    let compiled = workspace.compiler.compile(request, context.cancel, &mut |news| show_progress(news, context));
    compiled.map_err(|failure| {
        let diagnostic = failure.diagnostic;
        // Without a source of its own it speaks of the text that was compiled.
        let extension = if request.entry.is_python() { "py" } else { request.entry.name() };
        let name = format!("{}.{extension}", request.name.as_deref().unwrap_or("kernel"));
        let source = warpbook_diagnostic::Source::new(name, request.text.clone());
        diagnostic.in_source(&source)
    })
}

/// Shows the reader why a compilation takes long: each line of the installation of its environment.
pub fn show_progress(news: Progress<'_>, context: Context<'_>) {
    if let Progress::Environment(line) = news {
        context.frontend.stream(Stream::Stderr, &format!("{line}\n"));
    }
}
