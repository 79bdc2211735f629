//! What is compared: two versions, two kernels, or one version compiled for two targets or by two Tritons.

use super::super::subject::{Subject, Words, compile};
use crate::launch::run::takes_cubin;
use crate::magics::cells::stages::version_of;
use crate::magics::settings::{parse_target, parse_triton};
use crate::magics::{Call, Spec};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::{CompileRequest, Stage, Target};
use warpbook_diagnostic::{Diagnostic, Result};

/// Both sides, the older or first one first.
pub fn sides(
    words: &Words,
    call: &Call<'_>,
    spec: &Spec,
    workspace: &mut Workspace,
    context: Context<'_>,
) -> Result<(Subject, Subject)> {
    let first = Subject::of(words.positional.first(), call, workspace)?;
    let targets = several(words, "--targets", call, parse_target)?;
    let tritons = several(words, "--triton", call, parse_triton)?;
    if !targets.is_empty() || !tritons.is_empty() {
        words.at_most(1, call, spec)?;
        let (target, triton) = (first.version.target, first.triton(workspace));
        let (old_target, new_target) = pair(targets, target);
        let (old_triton, new_triton) = pair(tritons, triton);
        let old = compiled_for(&first, old_target, &old_triton, call, workspace, context)?;
        let new = compiled_for(&first, new_target, &new_triton, call, workspace, context)?;
        return Ok((old, new));
    }
    if let Some(word) = words.positional.get(1) {
        let second = Subject::of(Some(word), call, workspace)?;
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

/// The one or two values of an option.
fn several<T>(words: &Words, name: &str, call: &Call<'_>, parse: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    let Some(span) = words.option(name) else { return Ok(Vec::new()) };
    let (mut found, mut at) = (Vec::new(), span.start);
    for part in call.cell.text[span.clone()].split(',') {
        let own = at..at + part.len();
        at = own.end + 1;
        found.push(parse(part).map_err(|error| error.at(own, ""))?);
    }
    if found.len() > 2 {
        let error = Diagnostic::error("option-value", format!("`{name}` takes one or two values")).at(span, "");
        return Err(error.help("two sides are compared"));
    }
    Ok(found)
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
    if own.target == target && subject.triton(workspace) == triton {
        return Ok(subject.clone());
    }
    let Some(request) = own.request.as_ref().filter(|request| request.entry < Stage::Ptx) else {
        let message = format!("{} entered at {}: that is for one target", subject.headline(), own.entered);
        let error = Diagnostic::error("not-compiled", message).at(call.arguments.clone(), "");
        return Err(error.help("a version that entered above PTX can be compiled for another"));
    };
    let mut request = CompileRequest::clone(request);
    triton.clone_into(&mut request.triton);
    request.target = target;
    request.until = if takes_cubin(workspace.device.as_ref(), target) { Stage::Cubin } else { Stage::Ptx };
    let compiled = compile(&request, workspace, context)
        .map_err(|error| error.note(format!("compiled for {target} by Triton {triton}")))?;
    let mut version = version_of(compiled, request, own.entered, own.parent);
    version.number = own.number;
    Ok(Subject { name: subject.name.clone(), version })
}
