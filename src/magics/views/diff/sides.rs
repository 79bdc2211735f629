//! What is compared: two versions, two kernels, or one version compiled for two targets or by two Tritons.

use super::super::subject::{Subject, compile};
use crate::launch::built::new_version;
use crate::launch::code::takes_cubin;
use crate::magics::Call;
use crate::magics::declare::kinds::{Kernel, List, TargetName, TritonVersion, values};
use crate::magics::declare::{Argument, Typed};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::{CompileRequest, Stage, Target};
use warpbook_diagnostic::{Diagnostic, Result};

pub const FIRST: Argument<Kernel> =
    Argument::optional("FIRST", Kernel, "the first side; alone, it is compared with the newest version of its kernel");
pub const SECOND: Argument<Kernel> =
    Argument::optional("SECOND", Kernel, "the second side; without both, the newest version and the one before it");
pub const TARGETS: Argument<List<TargetName>> = Argument::option(
    "--targets",
    List::new("A,B", TargetName).between(1, 2),
    "one source compiled for two architectures; with one name, against its own",
);
pub const TRITONS: Argument<List<TritonVersion>> = Argument::option(
    "--triton",
    List::new("A,B", TritonVersion).between(1, 2),
    "one source compiled by two versions of Triton; with one number, against its own",
);

/// Both sides, the older or first one first.
pub fn sides(typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<(Subject, Subject)> {
    let call = typed.call;
    let first = Subject::named(typed.get(&FIRST), call, workspace)?;
    let targets = typed.get(&TARGETS).map(|targets| values(targets)).unwrap_or_default();
    let tritons = typed.get(&TRITONS).map(|tritons| values(tritons)).unwrap_or_default();
    if !targets.is_empty() || !tritons.is_empty() {
        if let Some(span) = typed.span(&SECOND) {
            let message = "with `--targets` or `--triton` one kernel is compared with itself";
            return Err(Diagnostic::error("unexpected-argument", message).at(span, "a second kernel"));
        }
        let (target, triton) = (first.version.target, first.triton(workspace, context.cancel)?);
        let (old_target, new_target) = pair(targets, target);
        let (old_triton, new_triton) = pair(tritons, triton);
        let old = compiled_for(&first, old_target, &old_triton, call, workspace, context)?;
        let new = compiled_for(&first, new_target, &new_triton, call, workspace, context)?;
        return Ok((old, new));
    }
    if let Some(second) = typed.get(&SECOND) {
        let second = Subject::named(Some(second), call, workspace)?;
        return Ok((first, second));
    }
    let kernel = workspace.kernels.get(&first.name);
    let newest = kernel.and_then(|kernel| kernel.latest()).cloned().unwrap_or(first.version.clone());
    let old = match first.version.number == newest.number {
        false => Some(first.version.clone()),
        true => {
            let before = newest.parent.or(newest.number.checked_sub(1));
            before.and_then(|number| kernel?.version(number)).cloned()
        }
    };
    let Some(old) = old else {
        let error = Diagnostic::error("unknown-version", format!("`{}` has one version only", first.name));
        let error = error.at(call.arguments.clone(), "").help("`%diff A B` compares two kernels");
        return Err(error.help("`--targets sm_80,sm_90` and `--triton 3.4,3.6` compile it twice"));
    };
    let subject = |version| Subject { name: first.name.clone(), version };
    Ok((subject(old), subject(newest)))
}

/// What each side takes: a single value is the second side's.
fn pair<T: Clone>(given: Vec<T>, own: T) -> (T, T) {
    let mut given = given.into_iter();
    match (given.next(), given.next()) {
        (Some(first), Some(second)) => (first, second),
        (Some(only), None) => (own, only),
        (None, _) => (own.clone(), own),
    }
}

/// The same source for another target, or by another Triton. The session's kernel gets no version of it.
fn compiled_for(
    subject: &Subject,
    target: Target,
    triton: &str,
    call: &Call<'_>,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<Subject> {
    let own = &subject.version;
    if own.target == target && subject.triton(workspace, context.cancel)? == triton {
        return Ok(subject.clone());
    }
    let Some(request) = own.request.as_ref().filter(|request| request.entry < Stage::Ptx) else {
        let message = format!("{} entered at {}, which is fixed to one target", subject.headline(), own.entered);
        let error = Diagnostic::error("not-compiled", message).at(call.arguments.clone(), "");
        return Err(error.help("a version that entered above PTX can be compiled for another"));
    };
    let mut request = CompileRequest::clone(request);
    triton.clone_into(&mut request.triton);
    request.target = target;
    request.until = if takes_cubin(workspace.device.as_ref(), target) { Stage::Cubin } else { Stage::Ptx };
    let compiled = compile(&request, workspace, context)
        .map_err(|error| error.note(format!("compiled for {target} by Triton {triton}")))?;
    let mut version = new_version(compiled, request, own.entered, own.parent);
    version.number = own.number;
    Ok(Subject { name: subject.name.clone(), version })
}
