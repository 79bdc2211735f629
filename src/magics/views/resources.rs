//! `%resources`: what a kernel takes of a multiprocessor.

use serde_json::json;

use super::line_links::trace;
use super::subject::{KERNEL, Subject};
use crate::magics::declare::Typed;
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::meter::Meter;
use crate::render::{Column, Document, Output, Table, bytes_text, grouped};
use crate::workspace::{Context, Workspace};
use warpbook_compiler::meta::resources;
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_gpu::{GpuLimits, Occupancy};

/// `%resources [KERNEL[@VERSION]]`.
pub struct ResourcesMagic;

const SPEC: Spec = Spec {
    name: "resources",
    kind: Kind::Line,
    summary: "registers, spills, shared memory, and how many blocks fit on a multiprocessor",
    arguments: &[&KERNEL],
    options: &[],
    details: "Registers and local memory are ptxas's own figures. Occupancy is computed from the limits of the architecture \
              that the kernel was compiled for; the view names the resource that keeps more blocks from fitting.",
    examples: &[Example { cell: "%resources matmul", needs: Needs::Matmul, shows: "occupancy" }],
};

impl Magic for ResourcesMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let subject = Subject::typed(typed, workspace)?;
        let trace = trace(&subject, workspace, context)?;
        let version = &subject.version;
        let taken = trace.cubin.as_ref().and_then(|cubin| resources(&cubin.content, &version.meta.entry.value));
        let Some(taken) = taken else {
            let error = Diagnostic::error("no-machine-code", format!("{} has no machine code", subject.headline()));
            let error = error.at(call.arguments.clone(), "");
            return Err(trace.notes.iter().cloned().fold(error, Diagnostic::note));
        };
        let (threads, shared) = (version.meta.threads.value, version.meta.shared.value);
        let full = GpuLimits::for_capability(version.target.0).occupancy(threads, taken.registers, shared);
        let code = || trace.code.iter().flat_map(|function| &function.instructions);
        let local = |prefix: &str| code().filter(|one| one.opcode().split('.').next() == Some(prefix)).count();
        let spills = match (taken.local, local("STL"), local("LDL")) {
            (0, 0, 0) => "none".to_owned(),
            (bytes, stores, loads) => {
                format!("{} local per thread, {stores} stores and {loads} loads in the code", bytes_text(bytes.into()))
            }
        };
        let limits = full.limits;
        let share = f64::from(full.warps) / f64::from(limits.warps) * 100.0;
        let fit = Column::number("blocks that would fit").left_in_text();
        let mut table = Table::new([Column::text("resource"), Column::text("of a block"), fit]);
        for (limiter, blocks) in full.each {
            let own = match limiter.name() {
                "registers" => format!("{} × {threads} threads", taken.registers),
                "shared memory" => format!("{} ({})", bytes_text(shared.into()), version.meta.shared.origin),
                "warps" => threads.div_ceil(32).to_string(),
                _ => "1".to_owned(),
            };
            table.push([limiter.name().to_owned(), own, blocks.to_string()]);
        }
        let mut document = Document::new(subject.headline()).with(table);
        document.line(format!("spills: {spills}"));
        document.push(Meter { label: "occupancy", share: share / 100.0 });
        document.line(verdict(&full, share));
        let facts = json!({
            "registers": taken.registers, "local_bytes": taken.local, "shared_bytes": shared, "threads": threads,
            "blocks_per_multiprocessor": full.blocks, "warps_per_multiprocessor": full.warps,
            "occupancy": share / 100.0, "limited_by": full.each[0].0.name(),
        });
        Ok(Some(document.with_facts(facts).output()))
    }
}

fn verdict(full: &Occupancy, share: f64) -> String {
    if full.blocks == 0 {
        return format!("not one block fits: there is not enough of {}", full.each[0].0.name());
    }
    let blocks = if full.blocks == 1 { "block" } else { "blocks" };
    format!(
        "occupancy {share:.1} %: {} {blocks}, {} of {} warps per multiprocessor, limited by {}",
        grouped(full.blocks.into()),
        full.warps,
        full.limits.warps,
        full.each[0].0.name()
    )
}
