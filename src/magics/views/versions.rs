//! `%versions`: the history of a kernel.

use serde_json::json;

use crate::magics::cells::edit;
use crate::magics::declare::kinds::Kernel;
use crate::magics::declare::{Argument, Typed};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::{Column, Document, Output, Table};
use crate::workspace::{Context, Version, Workspace};
use warpbook_diagnostic::Result;

/// `%versions [KERNEL]`.
pub struct Versions;

const KERNEL: Argument<Kernel> = Argument::optional(
    "KERNEL",
    Kernel,
    "the kernel; without it, the one used last. With `@VERSION`, that version alone",
);

const SPEC: Spec = Spec {
    name: "versions",
    kind: Kind::Line,
    summary: "list the versions of a kernel: where each entered, from which it was made, for what it was compiled",
    arguments: &[&KERNEL],
    options: &[],
    details: "Each compilation of another text, for another target or with other options is a version. Magics that take a \
              kernel take one of its versions too: `%stages matmul@2`.",
    examples: &[
        Example { cell: "%versions scale", needs: Needs::Kernel, shows: "versions of scale" },
        Example { cell: "%versions matmul", needs: Needs::Versions, shows: "versions of matmul" },
    ],
};

impl Magic for Versions {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let named = typed.get(&KERNEL);
        let name = named.and_then(|named| named.name.as_ref());
        let kernel = edit::kernel(workspace, name.map(|name| (name.value.as_str(), name.span.clone())), typed.call)?;
        let versions: Vec<&Version> = match named.and_then(|named| named.version.as_ref()) {
            Some(number) => vec![edit::numbered(kernel, &number.value, number.span.clone())?],
            None => kernel.versions.iter().collect(),
        };
        let mut columns = vec![Column::number("version"), Column::text("from")];
        columns.extend(["entered at", "target", "Triton", "stages"].map(Column::text));
        let table = Table::new(columns).rows(versions.iter().map(|version| row(version)));
        let facts: Vec<_> = versions.iter().map(|version| facts(version)).collect();
        let document = Document::new(format!("versions of {}", kernel.name)).with(table);
        Ok(Some(document.with_facts(json!({ "kernel": kernel.name, "versions": facts })).output()))
    }
}

fn row(version: &Version) -> Vec<String> {
    vec![
        version.number.to_string(),
        version.parent.map(|parent| parent.to_string()).unwrap_or_default(),
        version.entered.to_string(),
        version.target.to_string(),
        version.triton.clone().unwrap_or_default(),
        stages(version).join(" → "),
    ]
}

/// Names of the stages that a version holds.
fn stages(version: &Version) -> Vec<&'static str> {
    version.stages.iter().map(|outcome| outcome.artifact.stage.name()).collect()
}

fn facts(version: &Version) -> serde_json::Value {
    json!({
        "number": version.number,
        "parent": version.parent,
        "entered": version.entered.name(),
        "target": version.target.to_string(),
        "triton": version.triton,
        "stages": stages(version),
    })
}
