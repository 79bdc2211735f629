//! `%tma`: the tensor descriptors of a kernel, field by field, and what one copy of each moves.

mod copy;
mod descriptor;
mod draw;

use super::subject::{KERNEL, Subject};
use crate::magics::cells::edit;
use crate::magics::declare::kinds::{Coordinates, Placed, Text};
use crate::magics::declare::{Argument, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_diagnostic::{Diagnostic, Result, code, nearest};

/// `%tma [KERNEL[@VERSION]] [DESCRIPTOR]`.
pub struct Tma;

const DESCRIPTOR: Argument<Text> = Argument::optional(
    "DESCRIPTOR",
    Text {
        // `%tma a`: a descriptor of the last kernel, if no kernel has the name.
        claims: |_, is_alone, _| is_alone,
        ..Text::new("DESCRIPTOR", "the name of a descriptor")
    },
    "the descriptor to show; without it, all of the kernel's",
);
const AT: Argument<Coordinates> = Argument::option(
    "--at",
    Coordinates,
    "coordinates of the box's first element, as the kernel gives them to load or store",
);

const SPEC: Spec = Spec {
    name: "tma",
    kind: Kind::Line,
    summary: "the tensor descriptors of a kernel, decoded, with box, swizzle and the bytes that a copy moves",
    arguments: &[&KERNEL, &DESCRIPTOR],
    options: &[&AT],
    details: "Shows each `tma(…)` argument from sm_90 on, and each descriptor that the kernel makes with \
              `tl.make_tensor_descriptor`: its 128 bytes, field by field, as the last launch has them (a kernel that makes \
              its own is launched again for that, and the buffers keep what they hold), the hardware's rules, and the bank \
              of shared memory that each word goes to. `--at` shows the bytes that a copy at these coordinates moves and \
              fills.",
    examples: &[
        Example { cell: "%tma copy", needs: Needs::Descriptors, shows: "a" },
        Example { cell: "%tma copy a --at 32,0", needs: Needs::Descriptors, shows: "[32,0]" },
    ],
};

impl Magic for Tma {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let named = typed.get(&DESCRIPTOR);
        let alone = named.is_some() && !typed.has(&KERNEL);
        let subject = Subject::typed(typed, workspace)?;
        let kernel = edit::kernel(workspace, Some((&subject.name, call.name.clone())), call)?;
        let launched = kernel.launch.clone();
        let (all, notes) = descriptor::find_descriptors(&subject, launched.as_ref(), workspace, context)?;
        if all.is_empty() {
            if let Some(Placed { value: name, span }) = named.filter(|_| alone) {
                let error = Diagnostic::error(code::UNKNOWN_KERNEL, format!("there is no kernel `{name}`"));
                let error = error.at(span.clone(), "");
                return Err(match nearest(name, workspace.kernels.names()) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help(format!("and {} has no descriptor", subject.name)),
                });
            }
            let error = Diagnostic::error("no-descriptor", format!("{} has no tensor descriptor", subject.name));
            let error = error.at(call.arguments.clone(), "").note(subject.headline());
            return Err(error.help("below sm_90 `tma(…)` arguments become pointers"));
        }
        let shown: Vec<&descriptor::Descriptor> = match named {
            None => all.iter().collect(),
            Some(Placed { value: name, span }) => {
                let one: Vec<_> = all.iter().filter(|one| one.name == *name).collect();
                if one.is_empty() {
                    let message = format!("{} has no descriptor `{name}`", subject.name);
                    let error = Diagnostic::error("unknown-descriptor", message).at(span.clone(), "");
                    let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
                    return Err(match nearest(name, names.iter().copied()) {
                        Some(near) => error.help(format!("did you mean `{near}`?")),
                        None => error.help(format!("it has: {}", names.join(", "))),
                    });
                }
                one
            }
        };
        let at = typed.get(&AT);
        if let Some(numbers) = at {
            let refuse = |message: String, help: String| {
                Diagnostic::error("option-value", message).at(typed.place(&AT), "").help(help)
            };
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
        }
        let at: Option<Vec<i64>> = at.map(|numbers| numbers.iter().copied().map(i64::from).collect());
        Ok(Some(draw::output(&subject.headline(), &shown, &notes, at.as_deref(), workspace)))
    }
}
