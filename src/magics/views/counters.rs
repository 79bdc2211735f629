//! `%counters`: what a launch does, counted by the emulator.

use std::collections::BTreeMap;

use serde_json::json;

use super::observing;
use super::source_lines::{Spot, Texts, ptx_lines};
use crate::magics::cells::options::VERSION;
use crate::magics::cells::relaunch::{LAUNCH, find};
use crate::magics::declare::Typed;
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::stages::{Pane, PaneLine, Panes};
use crate::render::{Alternative, Block, Column, Document, Output, Prose, Table, bytes_text, grouped};
use crate::workspace::{Context, Workspace};
use warpbook_device::emulation::{Counted, Counters, Counts, Observe, Observed, Traffic, Worst};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_ptx::isa::{Class, Mnemonic};

/// `%counters [NAME][GRID](ARGUMENTS)`
pub struct CountersMagic;

/// Lines of a list in the text.
const TEXT_LINES: usize = 12;
/// Most bank conflicts that are listed one by one.
const WORST: usize = 5;

const SPEC: Spec = Spec {
    name: "counters",
    kind: Kind::Line,
    summary: "what a launch does, counted: instructions, sectors, bank conflicts, divergence, FLOPs, by line",
    arguments: &[&LAUNCH],
    options: &[&VERSION],
    details: "The launch is run on the emulator; the buffers keep what they hold. The numbers are the same from run to run. \
              They count the PTX: ptxas may merge, move and drop instructions. A sector is 32 bytes; shared memory has 32 \
              banks of 4 bytes, and a wavefront takes a word of each bank (accesses of 8 and 16 bytes per lane go by \
              half-warps and quarter-warps). `wgmma` and bulk copies reach shared memory by other paths, whose wavefronts \
              are not counted.",
    examples: &[
        Example { cell: "%counters scale", needs: Needs::Kernel, shows: "sectors" },
        Example { cell: "%counters matmul", needs: Needs::Matmul, shows: "FLOPs" },
    ],
};

impl Magic for CountersMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let plan = find(typed, workspace)?;
        let observe = Observe::Counters { in_order: true };
        let (observed, device) = observing::launched(&plan, &observe, workspace, context)?;
        let Some(Observed::Counters(counters)) = observed else {
            return Err(Diagnostic::error("counters", "the emulator counted nothing"));
        };
        let texts = Texts::new(&plan, workspace, counters.instructions.iter().map(|counted| &counted.line));
        let headline = format!("{} v{} · {device}", plan.kernel, plan.version.number);
        Ok(Some(View { headline, counters: &counters, texts: &texts }.output()))
    }
}

struct View<'a> {
    headline: String,
    counters: &'a Counters,
    texts: &'a Texts,
}

/// Bytes of a buffer that moved in one way.
type Moved = fn(&Traffic) -> u64;

fn ratio(a: u64, b: u64) -> String {
    if b == 0 { String::new() } else { format!("{:.1}", a as f64 / b as f64) }
}

fn percent(a: u64, b: u64) -> String {
    if b == 0 { String::new() } else { format!("{:.1} %", a as f64 / b as f64 * 100.0) }
}

/// A table whose first column is of words and whose others are of numbers.
fn counts(titles: &[&str]) -> Table {
    let column = |(at, title): (usize, &&str)| if at == 0 { Column::text(*title) } else { Column::number(*title) };
    Table::new(titles.iter().enumerate().map(column))
}

/// A table of a number under each name, and words on it.
fn notes(titles: [&str; 2]) -> Table {
    Table::new([Column::text(titles[0]), Column::number(titles[1]), Column::text("")])
}

/// `0, 8, 16, 24`
fn lanes_text(lanes: u32) -> String {
    let all: Vec<String> = (0..32).filter(|lane| lanes >> lane & 1 != 0).map(|lane| lane.to_string()).collect();
    match all.as_slice() {
        [a, b, c, d, _, ..] if all.len() > 8 => format!("{a}, {b}, {c}, {d}, … {}", all[all.len() - 1]),
        _ => all.join(", "),
    }
}

/// Rows of the matrices of `ldmatrix` and `stmatrix`, whose addresses the lanes hold: `rows 0, 2, 4, 6 of matrix 1`.
fn rows_text(lanes: u32) -> String {
    let matrix = lanes.trailing_zeros() / 8;
    format!("rows {} of matrix {matrix}", lanes_text(lanes >> (8 * matrix) & 0xff))
}

/// `0x80 and 0x100, 128 bytes apart`
fn words_text(worst: &Worst) -> String {
    let [first, second] = worst.words;
    let more = if worst.ways > 2 { " and so on" } else { "" };
    match second - first {
        0 => format!("all at {first:#x}"),
        apart => format!("{first:#x} and {second:#x}{more}, {} bytes apart", grouped(apart)),
    }
}

impl View<'_> {
    fn classes(&self) -> Table {
        let mut by_class: BTreeMap<Class, u64> = BTreeMap::new();
        for counted in &self.counters.instructions {
            *by_class.entry(counted.class).or_default() += counted.counts.executed;
        }
        let total: u64 = by_class.values().sum();
        let mut table = counts(&["instructions", "executed", "share"]);
        for (class, executed) in by_class.into_iter().filter(|(_, executed)| *executed > 0) {
            table.push([class.name().to_owned(), grouped(executed), percent(executed, total)]);
        }
        table.row(["all".to_owned(), grouped(total), String::new()])
    }

    fn total(&self, of: impl Fn(Class) -> bool) -> Counts {
        self.counters.total(|counted| of(counted.class))
    }

    fn global(&self) -> Table {
        let mut table = counts(&["global memory", "requests", "sectors", "sectors/request", "at best", "asked for"]);
        let kinds = [
            ("loads", Class::GlobalLoad),
            ("stores", Class::GlobalStore),
            ("atomics", Class::Atomic),
            ("cp.async", Class::CopyAsync),
            ("generic", Class::Generic),
        ];
        for (name, class) in kinds {
            let found = self.total(|own| own == class).global;
            if found.requests > 0 {
                table.push([
                    name.to_owned(),
                    grouped(found.requests),
                    grouped(found.sectors),
                    ratio(found.sectors, found.requests),
                    ratio(found.least_sectors, found.requests),
                    bytes_text(found.bytes),
                ]);
            }
        }
        table
    }

    fn shared(&self) -> Table {
        let mut table =
            counts(&["shared memory", "requests", "wavefronts", "wavefronts/request", "at best", "bank conflicts"]);
        let kinds = [
            ("loads", Class::SharedLoad),
            ("stores", Class::SharedStore),
            ("atomics", Class::Atomic),
            ("cp.async", Class::CopyAsync),
            ("generic", Class::Generic),
        ];
        for (name, class) in kinds {
            let found = self.total(|own| own == class).shared;
            if found.requests > 0 {
                table.push([
                    name.to_owned(),
                    grouped(found.requests),
                    grouped(found.wavefronts),
                    ratio(found.wavefronts, found.requests),
                    ratio(found.least_wavefronts, found.requests),
                    grouped(found.conflicts()),
                ]);
            }
        }
        table
    }

    fn buffers(&self) -> Table {
        let buffers = &self.counters.buffers;
        let columns: [(&str, Moved); 5] = [
            ("loaded", |traffic| traffic.loaded),
            ("stored", |traffic| traffic.stored),
            ("atomics", |traffic| traffic.atomic),
            ("TMA loaded", |traffic| traffic.bulk_loaded),
            ("TMA stored", |traffic| traffic.bulk_stored),
        ];
        let used: Vec<_> = columns.iter().filter(|(_, of)| buffers.iter().any(|traffic| of(traffic) > 0)).collect();
        let requests = buffers.iter().any(|traffic| traffic.global.requests > 0);
        let titles = ["buffer"].into_iter().chain(used.iter().map(|(name, _)| *name));
        let titles: Vec<&str> = titles.chain(requests.then_some("sectors/request")).collect();
        let mut table = counts(&titles);
        for traffic in buffers {
            let mut cells = vec![traffic.buffer.clone()];
            cells.extend(used.iter().map(|(_, of)| match of(traffic) {
                0 => String::new(),
                bytes => bytes_text(bytes),
            }));
            cells.extend(requests.then(|| ratio(traffic.global.sectors, traffic.global.requests)));
            table.push(cells);
        }
        table
    }

    fn control(&self) -> Table {
        let all = self.total(|_| true);
        let mut table = notes(["control", ""]);
        let mut add = |name: &str, value: String, more: String| table.push([name.to_owned(), value, more]);
        let share = percent(all.lanes, 32 * all.executed);
        add("active lanes per instruction", ratio(all.lanes, all.executed), format!("of 32: {share}"));
        let on = percent(all.lanes_on, 32 * all.executed);
        add("and not predicated off", ratio(all.lanes_on, all.executed), format!("of 32: {on}"));
        let branches = self.counters.total(|counted| counted.line.opcode.mnemonic() == Some(Mnemonic::Bra));
        let divergent = grouped(branches.divergent);
        add("divergent branches", divergent, format!("of {}", grouped(branches.executed)));
        let barriers = self.total(|class| class == Class::Barrier).executed;
        if barriers > 0 {
            add("warps that arrived at a barrier", grouped(barriers), String::new());
        }
        if all.tests > 0 {
            let failed = format!("{} found the phase incomplete", grouped(all.failed_tests));
            add("tests of an mbarrier's phase", grouped(all.tests), failed);
        }
        table
    }

    fn work(&self) -> Table {
        let mut table = notes(["arithmetic", "operations"]);
        let tensor = self.counters.total(|counted| counted.counts.tensor_operations > 0);
        if tensor.tensor_operations > 0 {
            let instructions = format!("{} tensor-core instructions", grouped(tensor.effective));
            table.push(["tensor-core FLOPs".to_owned(), grouped(tensor.tensor_operations), instructions]);
        }
        for class in [Class::Single, Class::Half, Class::Double] {
            let own = self.counters.instructions.iter().filter(|counted| counted.class == class);
            let operations: u64 = own.map(|counted| counted.operations).sum();
            if operations > 0 {
                table.push([format!("{} FLOPs", class.name()), grouped(operations), String::new()]);
            }
        }
        let bulk = self.counters.total(|_| true).bulk_bytes;
        if bulk > 0 {
            table.push(["moved by TMA".to_owned(), bytes_text(bulk), String::new()]);
        }
        table
    }

    /// The instructions that lose most to bank conflicts.
    fn worst(&self) -> Vec<String> {
        let mut worst: Vec<&Counted> =
            self.counters.instructions.iter().filter(|counted| counted.counts.shared.conflicts() > 0).collect();
        worst.sort_by_key(|counted| (std::cmp::Reverse(counted.counts.shared.conflicts()), counted.line.ptx));
        let tell = |counted: &&Counted| {
            let shared = &counted.counts.shared;
            let at = &shared.worst;
            let source = match self.texts.spot(&counted.line).filter(|_| !self.texts.is_ptx()) {
                Some(spot) => format!(", {} {}", self.texts.title(), self.texts.name(&spot)),
                None => String::new(),
            };
            let ([x, y, z], instruction) = (at.block, short(&counted.line.text, 48));
            let is_matrix = counted.line.opcode.is_matrix_access();
            format!(
                "{}-way, {} conflicts: PTX {}{source}: {instruction}; {} of warp {}, block ({x}, {y}, {z}) in bank {}: {}",
                at.ways,
                grouped(shared.conflicts()),
                counted.line.ptx,
                if is_matrix { rows_text(at.lanes) } else { format!("lanes {}", lanes_text(at.lanes)) },
                at.warp,
                at.bank,
                words_text(at),
            )
        };
        let mut lines: Vec<String> = worst.iter().take(WORST).map(tell).collect();
        if worst.len() > WORST {
            lines.push(format!("and {} more instructions", worst.len() - WORST));
        }
        lines
    }

    fn by_spot(&self) -> BTreeMap<Spot, Counts> {
        let mut found: BTreeMap<Spot, Counts> = BTreeMap::new();
        for counted in &self.counters.instructions {
            if let Some(spot) = self.texts.spot(&counted.line) {
                found.entry(spot).or_default().add(&counted.counts);
            }
        }
        found
    }

    fn lines(&self) -> Table {
        let mut found: Vec<(Spot, Counts)> = self.by_spot().into_iter().collect();
        found.retain(|(_, counts)| counts.executed > 0);
        found.sort_by_key(|(spot, counts)| (std::cmp::Reverse(counts.executed), spot.clone()));
        let title = self.texts.title();
        // A line is a number, with the name of its file where that is another one.
        let numbers = ["executed", "sectors/request", "conflicts", &format!("line of {title}")].map(Column::number);
        let mut table = Table::new(numbers.into_iter().chain([Column::text("")]));
        for (spot, counts) in found.iter().take(TEXT_LINES) {
            table.push([
                grouped(counts.executed),
                ratio(counts.global.sectors, counts.global.requests),
                match counts.shared.conflicts() {
                    0 => String::new(),
                    conflicts => grouped(conflicts),
                },
                self.texts.name(spot),
                short(self.texts.text(spot), 72),
            ]);
        }
        if found.len() > TEXT_LINES {
            let rest: u64 = found[TEXT_LINES..].iter().map(|(_, counts)| counts.executed).sum();
            let more = format!("{} more lines", found.len() - TEXT_LINES);
            table.push([grouped(rest), String::new(), String::new(), String::new(), more]);
        }
        table
    }

    fn output(&self) -> Output {
        let (blocks, warps) = (self.counters.blocks, self.counters.warps);
        let many = |count: u64, what: &str| format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" });
        let size = format!("{}, {}", many(blocks, "block"), many(warps, "warp"));
        let first = format!("{} · {size} · counts of the PTX, once per warp, the same from run to run", self.headline);
        let tables = [self.classes(), self.control(), self.work(), self.global(), self.shared(), self.buffers()];
        let columns = tables.into_iter().filter(|table| !table.is_empty()).map(|table| vec![table.into()]).collect();
        let mut document = Document::new(Prose::plain(first));
        document.extend([Block::Gap, Block::Columns(columns)]);
        let worst = self.worst();
        if !worst.is_empty() {
            document.push(Block::Gap);
            document.line(Prose::plain(format!("worst bank conflicts\n{}", worst.join("\n"))));
        }
        // In HTML each line of the texts has its count.
        let lines = [Prose::from("executed instructions by line, once per warp").into(), self.panes().into()];
        document.extend([Block::Gap, Alternative::new(self.lines().text(), lines).into()]);
        document.with_facts(self.facts()).output()
    }

    /// The reader's text and the PTX, a count before each line.
    fn panes(&self) -> Panes {
        let mut panes = Vec::new();
        let by_spot = self.by_spot();
        if !self.texts.is_ptx() {
            let lines = self.texts.kernel_text().lines().zip(1..).map(|(text, line)| {
                let counts = by_spot.get(&Spot { file: None, line });
                pane_line(text, counts, counts.is_some().then_some(line), None)
            });
            let note = "executed".to_owned();
            panes.push(Pane { title: self.texts.title().to_owned(), note, open: true, lines: lines.collect() });
        }
        let mut by_ptx: BTreeMap<u32, (Counts, Option<u32>)> = BTreeMap::new();
        for counted in &self.counters.instructions {
            let spot = self.texts.spot(&counted.line).filter(|spot| spot.file.is_none());
            let entry = by_ptx.entry(counted.line.ptx).or_default();
            entry.0.add(&counted.counts);
            entry.1 = spot.map(|spot| spot.line);
        }
        if let Some(ptx) = &self.texts.ptx {
            let lines = ptx_lines(ptx).map(|(number, text)| match by_ptx.get(&number) {
                Some((counts, key)) => pane_line(&text.replace('\t', "  "), Some(counts), *key, Some(number)),
                None => pane_line(&text.replace('\t', "  "), None, None, None),
            });
            let lines = lines.collect();
            panes.push(Pane { title: "PTX".to_owned(), note: "executed".to_owned(), open: true, lines });
        }
        Panes { panes }
    }

    /// Where Nsight Compute counts the same thing, its name is the key.
    fn facts(&self) -> serde_json::Value {
        let all = self.total(|_| true);
        let class = |class| self.total(|own| own == class);
        let (loads, stores) = (class(Class::GlobalLoad).global, class(Class::GlobalStore).global);
        let per = |a: u64, b: u64| if b == 0 { 0.0 } else { a as f64 / b as f64 };
        let tensor = self.counters.total(|counted| counted.counts.tensor_operations > 0);
        let by_class: BTreeMap<Class, u64> = self.counters.instructions.iter().fold(BTreeMap::new(), |mut all, one| {
            *all.entry(one.class).or_default() += one.counts.executed;
            all
        });
        json!({
            "blocks": self.counters.blocks,
            "warps": self.counters.warps,
            "ptx_instructions": all.executed,
            "classes": by_class.into_iter().map(|(class, count)| (class.name().to_owned(), json!(count)))
                .collect::<serde_json::Map<_, _>>(),
            "smsp__thread_inst_executed_per_inst_executed.ratio": per(all.lanes, all.executed),
            "smsp__thread_inst_executed_pred_on_per_inst_executed.ratio": per(all.lanes_on, all.executed),
            "divergent_branches": all.divergent,
            "l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum": loads.requests,
            "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum": loads.sectors,
            "l1tex__average_t_sectors_per_request_pipe_lsu_mem_global_op_ld.ratio": per(loads.sectors, loads.requests),
            "l1tex__t_requests_pipe_lsu_mem_global_op_st.sum": stores.requests,
            "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum": stores.sectors,
            "l1tex__average_t_sectors_per_request_pipe_lsu_mem_global_op_st.ratio":
                per(stores.sectors, stores.requests),
            "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum": all.shared.wavefronts,
            "l1tex__data_bank_conflicts_pipe_lsu.sum": all.shared.conflicts(),
            "smsp__inst_executed_pipe_tensor.sum": tensor.effective,
            "tensor_flops": tensor.tensor_operations,
            "tma_bytes": all.bulk_bytes,
            "barrier_arrivals": class(Class::Barrier).executed,
            "mbarrier_tests": all.tests,
            "mbarrier_tests_failed": all.failed_tests,
            "buffers": self.counters.buffers.iter().map(|traffic| json!({
                "buffer": traffic.buffer, "loaded": traffic.loaded, "stored": traffic.stored,
                "atomic": traffic.atomic, "tma_loaded": traffic.bulk_loaded, "tma_stored": traffic.bulk_stored,
                "requests": traffic.global.requests, "sectors": traffic.global.sectors,
            })).collect::<Vec<_>>(),
        })
    }
}

fn short(text: &str, most: usize) -> String {
    let text = text.trim_end_matches(';');
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// A line with what it costs behind it.
fn pane_line(text: &str, counts: Option<&Counts>, key: Option<u32>, fine: Option<u32>) -> PaneLine {
    let mut notes = Vec::new();
    let counts = counts.filter(|counts| counts.executed > 0);
    if let Some(counts) = counts {
        if counts.global.requests > 0 {
            notes.push(format!("{} sectors/request", ratio(counts.global.sectors, counts.global.requests)));
        }
        if counts.shared.conflicts() > 0 {
            notes.push(format!("{} bank conflicts", grouped(counts.shared.conflicts())));
        }
        if counts.divergent > 0 {
            notes.push(format!("{} divergent", grouped(counts.divergent)));
        }
    }
    let mut line = PaneLine {
        label: counts.map(|counts| grouped(counts.executed)).unwrap_or_default(),
        text: text.to_owned(),
        keys: key.into_iter().collect(),
        fine,
        ..PaneLine::default()
    };
    if !notes.is_empty() {
        let from = line.text.len() + 3;
        line.text = format!("{text}   {}", notes.join(", "));
        line.strong = Some(from..line.text.len());
    }
    line
}
