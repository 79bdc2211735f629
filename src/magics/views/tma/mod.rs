//! `%tma`: the tensor descriptors of a kernel, field by field, and what one copy of each moves.

mod copy;
mod draw;
mod found;

use super::subject::{Subject, Words};
use crate::magics::cells::edit;
use crate::magics::{Call, Kind, Magic, OptionSpec, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_diagnostic::{Diagnostic, Result, code, nearest};

/// `%tma [KERNEL[@VERSION]] [DESCRIPTOR]`.
pub struct Tma;

const SPEC: Spec = Spec {
    name: "tma",
    kind: Kind::Line,
    summary: "the tensor descriptors of a kernel, decoded, with box, swizzle and the bytes that a copy moves",
    usage: "[KERNEL[@VERSION]] [DESCRIPTOR] [--at ROW,COLUMN]",
    details: "Each `tma(…)` argument from sm_90 on, and each descriptor that the kernel makes with \
              `tl.make_tensor_descriptor`: its 128 bytes taken apart as the last launch has them (a kernel that makes its \
              own is launched again for that, and the buffers keep what they hold), the hardware's rules, and the bank of \
              shared memory that each word goes to. With `--at`, the bytes that a copy at these coordinates moves and \
              fills.",
    options: &[OptionSpec {
        name: "--at",
        value: "ROW,COLUMN",
        help: "coordinates of the box's first element, as the kernel gives them to load or store",
    }],
};

impl Magic for Tma {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let words = Words::of(call, &SPEC)?;
        words.at_most(2, call, &SPEC)?;
        let cell = &call.cell.text;
        let is_kernel = |word: &std::ops::Range<usize>| {
            let name = cell[word.clone()].split('@').next().unwrap_or_default();
            workspace.kernels.get(name).is_some()
        };
        // `%tma a`: a descriptor of the last kernel, if no kernel has the name.
        let first = words.positional.first();
        let alone = words.positional.len() == 1 && first.is_some_and(|word| !is_kernel(word));
        let (kernel_word, named) = if alone && workspace.kernels.last().is_some() {
            (None, first.cloned())
        } else {
            (first.cloned(), words.positional.get(1).cloned())
        };
        let subject = Subject::of(kernel_word.as_ref(), call, workspace)?;
        let kernel = edit::kernel(workspace, Some((&subject.name, call.name.clone())), call)?;
        let launched = kernel.launch.clone();
        let (all, notes) = found::all(&subject, launched.as_ref(), workspace, context)?;
        if all.is_empty() {
            if let Some(word) = named.filter(|_| alone) {
                let name = &cell[word.clone()];
                let error =
                    Diagnostic::error(code::UNKNOWN_KERNEL, format!("there is no kernel `{name}`")).at(word, "");
                return Err(match nearest(name, workspace.kernels.names()) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help(format!("and {} has no descriptor", subject.name)),
                });
            }
            let error = Diagnostic::error("no-descriptor", format!("{} has no tensor descriptor", subject.name));
            let error = error.at(call.arguments.clone(), "").note(subject.headline());
            return Err(error.help("below sm_90 `tma(…)` arguments become pointers"));
        }
        let shown: Vec<&found::Found> = match &named {
            None => all.iter().collect(),
            Some(word) => {
                let name = &cell[word.clone()];
                let one: Vec<_> = all.iter().filter(|one| one.name == name).collect();
                if one.is_empty() {
                    let message = format!("{} has no descriptor `{name}`", subject.name);
                    let error = Diagnostic::error("unknown-descriptor", message).at(word.clone(), "");
                    let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
                    return Err(match nearest(name, names.iter().copied()) {
                        Some(near) => error.help(format!("did you mean `{near}`?")),
                        None => error.help(format!("it has: {}", names.join(", "))),
                    });
                }
                one
            }
        };
        let at = words.option("--at").map(|span| {
            let text = &cell[span.clone()];
            let refuse = |message: String, help: String| {
                Diagnostic::error("option-value", message).at(span.clone(), "").help(help)
            };
            let inside = text.trim_start_matches(['[', '(']).trim_end_matches([']', ')']);
            let numbers: Option<Vec<i64>> = inside.split(',').map(|number| number.trim().parse().ok()).collect();
            let numbers = numbers
                .filter(|numbers| numbers.iter().all(|number| i32::try_from(*number).is_ok()))
                .ok_or_else(|| refuse(format!("`{text}` are no coordinates"), "--at 128,64".to_owned()))?;
            for one in &shown {
                let rank = one.block().len();
                if rank != numbers.len() && rank > 0 {
                    let message = format!("{} coordinates for the {rank} dimensions of {}", numbers.len(), one.name);
                    return Err(refuse(message, "one for each dimension, the contiguous one last".to_owned()));
                }
                if one.map.is_none() {
                    let message = format!("the address and extents of {} are not known", one.name);
                    return Err(refuse(message, format!("launch it first: `%launch {}[GRID](…)`", subject.name)));
                }
            }
            Ok(numbers)
        });
        let at: Option<Vec<i64>> = at.transpose()?;
        Ok(Some(draw::output(&subject.headline(), &shown, &notes, at.as_deref(), workspace)))
    }
}
