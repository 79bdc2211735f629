//! `%layout`: which register of which lane, or which bank, holds each element.

use std::collections::BTreeMap;

use serde_json::json;

use super::subject::{Subject, Words};
use crate::compiler::Stage;
use crate::diagnostic::{Diagnostic, Result, nearest};
use crate::layout::{BANKS, Encoding, Layout, Place, Shared, Unsupported, aliases, ways};
use crate::magics::edit::{artifact, readable};
use crate::magics::{Call, Kind, Magic, OptionSpec, Spec, edit};
use crate::render::grid::{self, Cell};
use crate::render::{Output, escape_html, table};
use crate::workspace::{Context, Workspace};

/// `%layout [KERNEL[@VERSION]] [LAYOUT]`.
pub struct LayoutMagic;

/// Rows and columns of a tensor that are drawn.
const DRAWN: u32 = 32;
/// Registers of a lane that are drawn.
const REGISTERS: u32 = 32;

const SPEC: Spec = Spec {
    name: "layout",
    kind: Kind::Line,
    summary: "a layout of the kernel's own TTGIR, drawn",
    usage: "[KERNEL[@VERSION]] [#ALIAS | %VALUE] [--shape ROWSxCOLUMNS]",
    details: "`%layout k` lists the layouts of the TTGIR and its conversions, `%layout k #mma` draws one, and `%layout k \
              %27` that of a value. `T5:2` is the register 2 of thread 5. For shared memory the banks are drawn, and the \
              rounds that accesses of a warp take. Layouts over several blocks, of tensor memory and dot operands of \
              plain FMA are refused.",
    options: &[OptionSpec {
        name: "--shape",
        value: "ROWSxCOLUMNS",
        help: "the tensor that is laid out; otherwise that of the first value with this layout",
    }],
};

impl Magic for LayoutMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let words = Words::of(call, &SPEC)?;
        words.at_most(2, call, &SPEC)?;
        let cell = &call.cell.text;
        let is_layout = |word: &&std::ops::Range<usize>| cell[(*word).clone()].starts_with(['#', '%']);
        let wanted = words.positional.iter().find(is_layout).cloned();
        let named = words.positional.iter().find(|word| !is_layout(word));
        let subject = Subject::of(named, call, workspace)?;
        let kernel = edit::kernel(workspace, Some((&subject.name, call.name.clone())), call)?;
        let ttgir = artifact(kernel, &subject.version, Stage::Ttgir);
        let ttgir = ttgir.map_err(|error| Box::new(error.at(call.arguments.clone(), "")))?;
        let text = readable(Stage::Ttgir, ttgir);
        let known = aliases(&text);
        let Some(span) = wanted else {
            return Ok(Some(list(&subject.headline(), &text)));
        };
        let name = &cell[span.clone()];
        let unknown = |what: &str, candidates: Vec<&str>| {
            let error = Diagnostic::error("unknown-layout", format!("the TTGIR has no {what} `{name}`"));
            let error = error.at(span.clone(), "");
            Box::new(match nearest(name, candidates.iter().copied()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("`%layout` lists the layouts"),
            })
        };
        let uses = uses(&text);
        let (attribute, used) = if name.starts_with('#') {
            if !known.contains_key(name) {
                return Err(unknown("layout", known.keys().copied().collect()));
            }
            (name.to_owned(), uses.iter().find(|used| used.encoding == name))
        } else {
            let values = text.lines().filter_map(|line| line.trim_start().split([' ', ':', ',']).next());
            let line = text.lines().find(|line| line.trim_start().split([' ', ':', ',']).next() == Some(name));
            let Some(line) = line else {
                return Err(unknown("value", values.filter(|value| value.starts_with('%')).collect()));
            };
            // The result's type comes last.
            let Some(used) = self::uses(line).pop() else {
                let error = Diagnostic::error("no-layout", format!("`{name}` is no tensor with a layout"));
                return Err(Box::new(error.at(span, "").note(line.trim().to_owned())));
            };
            let found = uses.iter().find(|other| **other == used);
            (used.encoding.clone(), found)
        };
        let shape = match (words.option("--shape"), used) {
            (Some(span), _) => shape(&cell[span.clone()]).ok_or_else(|| {
                let error = Diagnostic::error("option-value", "`--shape` takes extents that are powers of two");
                Box::new(error.at(span, "").help("--shape 64x64"))
            })?,
            (None, Some(used)) => used.shape.clone(),
            (None, None) => {
                let error = Diagnostic::error("no-shape", format!("no value of the TTGIR has the layout `{name}`"));
                return Err(Box::new(error.at(span, "").help("say what is laid out: `--shape 64x64`")));
            }
        };
        let element = used.map_or("f16", |used| used.element.as_str()).to_owned();
        let drawn = draw(&subject.headline(), name, &attribute, &known, &shape, &element);
        drawn.map(Some).map_err(|Unsupported(what)| {
            let error = Diagnostic::error("layout-unsupported", format!("not drawn: {what}")).at(span, "");
            Box::new(known.get(attribute.as_str()).map_or(error.clone(), |value| error.note((*value).to_owned())))
        })
    }
}

/// A type with a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Use {
    encoding: String,
    shape: Vec<u32>,
    element: String,
}

/// Every `tensor<64x64xf16, #mma>` and `!ttg.memdesc<2x64x64xf16, #shared, …>` of a text, in order.
fn uses(text: &str) -> Vec<Use> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("tensor<").chain(text.match_indices("memdesc<")) {
        let Some(open) = text[at..].find('<').map(|open| at + open + 1) else { continue };
        let (mut depth, mut commas, mut end) = (1, Vec::new(), open);
        for (offset, c) in text[open..].char_indices() {
            match c {
                '<' | '{' | '[' => depth += 1,
                '>' | '}' | ']' if !text[..open + offset].ends_with('-') => depth -= 1,
                ',' if depth == 1 => commas.push(open + offset),
                '\n' => break,
                _ => {}
            }
            end = open + offset;
            if depth == 0 {
                break;
            }
        }
        let Some(&first) = commas.first() else { continue };
        let encoding = text[first + 1..commas.get(1).copied().unwrap_or(end)].trim().to_owned();
        let mut shape = Vec::new();
        let mut rest = &text[open..first];
        while let Some((extent, after)) = rest.split_once('x') {
            let Ok(extent) = extent.parse() else { break };
            shape.push(extent);
            rest = after;
        }
        if encoding.starts_with('#') && !shape.is_empty() {
            found.push((at, Use { encoding, shape, element: rest.to_owned() }));
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, used)| used).collect()
}

/// `64x64`
fn shape(text: &str) -> Option<Vec<u32>> {
    let extents: Option<Vec<u32>> = text.split('x').map(|extent| extent.parse().ok()).collect();
    extents.filter(|shape| shape.iter().all(|extent| extent.is_power_of_two() && *extent <= 1 << 14))
}

fn list(headline: &str, text: &str) -> Output {
    let mut lines = vec![headline.to_owned()];
    let mut layouts = vec![["layout", "", "of the tensors (how often)"].map(str::to_owned).to_vec()];
    let known = aliases(text);
    let mut names: Vec<&&str> = known.keys().collect();
    names.sort();
    let mut counts: BTreeMap<(String, Vec<u32>), usize> = BTreeMap::new();
    for used in uses(text) {
        *counts.entry((used.encoding, used.shape)).or_default() += 1;
    }
    for name in names {
        let attribute = known.get(*name).copied().unwrap_or_default();
        if attribute.contains("shared_memory") {
            continue;
        }
        let shapes = counts.iter().filter(|((encoding, _), _)| encoding == name);
        let shapes: Vec<String> = shapes.map(|((_, shape), count)| format!("{} ×{count}", by_x(shape))).collect();
        let attribute = attribute.trim_start_matches("#ttg.");
        lines.push(format!("{name}  {attribute}  {}", shapes.join(", ")));
        layouts.push(vec![(*name).to_string(), attribute.to_owned(), shapes.join(", ")]);
    }
    let conversions: Vec<&str> =
        text.lines().map(str::trim).filter(|line| line.contains("ttg.convert_layout")).collect();
    let found = if conversions.len() == 1 { "conversion" } else { "conversions" };
    let found = format!("{} {found}", conversions.len());
    lines.push(found.clone());
    let mut moved = vec![[found.as_str(), "from", "to"].map(str::to_owned).to_vec()];
    for line in conversions.iter().take(16) {
        let types = line.split_once(" : ").map_or(*line, |(_, types)| types);
        let value = line.split(' ').next().unwrap_or_default();
        lines.push(format!("  {value}  {types}"));
        let (from, to) = types.split_once(" -> ").unwrap_or((types, ""));
        moved.push([value, from, to].map(str::to_owned).to_vec());
    }
    let (_, layouts) = table::both(&layouts);
    let (_, moved) = table::both(&moved);
    Output::text(lines.join("\n")).with_html(format!(
        "<div style=\"font-family:var(--jp-code-font-family,monospace);font-size:12px\"><strong>{}</strong>{layouts}{moved}</div>",
        escape_html(headline)
    ))
}

fn by_x(shape: &[u32]) -> String {
    shape.iter().map(u32::to_string).collect::<Vec<_>>().join("×")
}

fn draw(
    headline: &str,
    name: &str,
    attribute: &str,
    known: &std::collections::HashMap<&str, &str>,
    shape: &[u32],
    element: &str,
) -> Result<Output, Unsupported> {
    let encoding = Encoding::parse(attribute, known)?;
    let head = format!("{name} of {headline}");
    let value = known.get(attribute).copied().unwrap_or(attribute);
    match &encoding {
        Encoding::Shared(shared) => draw_shared(&head, value, shared, shape, element),
        _ => Ok(draw_distributed(&head, value, &encoding.layout(shape)?)),
    }
}

fn thread(place: Place) -> u32 {
    place.warp * 32 + place.lane
}

/// The thread and register that hold each element, as a grid; of a large tensor its first rows and columns.
pub(super) fn distributed_grid(what: &str, layout: &Layout) -> String {
    // A vector is drawn as one row.
    let (rows, columns) = match layout.shape.as_slice() {
        [columns] => (1, *columns),
        [.., rows, columns] => (*rows, *columns),
        [] => (1, 1),
    };
    let (shown_rows, shown_columns) = (rows.min(DRAWN), columns.min(DRAWN));
    let mut first: BTreeMap<(u32, u32), Place> = BTreeMap::new();
    for (place, at) in layout.all() {
        let (row, column) = match at.as_slice() {
            [column] => (0, *column),
            [leading @ .., row, column] if leading.iter().all(|&index| index == 0) => (*row, *column),
            _ => continue,
        };
        if row < shown_rows && column < shown_columns {
            first.entry((row, column)).or_insert(place);
        }
    }
    let tensor: Vec<(String, Vec<Cell>)> = (0..shown_rows)
        .map(|row| {
            let cell = |column| {
                let place = first.get(&(row, column)).copied().unwrap_or_default();
                Cell { text: format!("T{}:{}", thread(place), place.register), group: thread(place) }
            };
            (row.to_string(), (0..shown_columns).map(cell).collect())
        })
        .collect();
    let numbers = |count: u32| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
    let cut = if (shown_rows, shown_columns) == (rows, columns) { "" } else { " (its first rows and columns)" };
    let caption = format!("{what}{cut}: thread and register of each element");
    grid::html(&caption, &numbers(shown_columns), &tensor)
}

fn draw_distributed(head: &str, attribute: &str, layout: &Layout) -> Output {
    let Place { warp, lane, register, .. } = layout.places();
    let held = match layout.holders() {
        1 => "each element once".to_owned(),
        count => format!("each element {count} times"),
    };
    let text = format!(
        "{head}\n{attribute}\n{} elements over {warp} warps × {lane} lanes × {register} registers, {held}\n\
         register {:?}\nlane {:?}\nwarp {:?}",
        by_x(&layout.shape),
        layout.register,
        layout.lane,
        layout.warp
    );
    let hardware: Vec<(String, Vec<Cell>)> = (0..lane)
        .map(|lane| {
            let cell = |register| {
                let at = layout.element(Place { lane, register, ..Place::default() });
                let text = at.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
                Cell { text, group: lane }
            };
            (format!("T{lane}"), (0..register.min(REGISTERS)).map(cell).collect())
        })
        .collect();
    let mut html = format!(
        "<div><style>{}</style><strong>{}</strong><pre style=\"margin:2px 0;white-space:pre-wrap\">{}</pre>",
        grid::STYLE,
        escape_html(head),
        escape_html(text.split_once('\n').map_or("", |(_, rest)| rest))
    );
    html.push_str(&distributed_grid("the tensor", layout));
    let labels: Vec<String> = (0..register.min(REGISTERS)).map(|register| format!("r{register}")).collect();
    let cut =
        if register > REGISTERS { format!(" (the first {REGISTERS} of {register} registers)") } else { String::new() };
    html.push_str("<details><summary>the hardware</summary>");
    html.push_str(&grid::html(&format!("warp 0{cut}: the element in each register"), &labels, &hardware));
    html.push_str("</details></div>");
    let facts = json!({
        "shape": layout.shape, "register": layout.register, "lane": layout.lane, "warp": layout.warp,
        "holders": layout.holders(),
    });
    Output::text(text).with_html(html).with_facts(facts)
}

/// Bytes of an element of this type.
fn element_bytes(element: &str) -> Option<u32> {
    let digits: String =
        element.trim_start_matches(|c: char| !c.is_ascii_digit()).chars().take_while(char::is_ascii_digit).collect();
    if element.contains("ptr") {
        return Some(8);
    }
    if element.starts_with("f8") {
        return Some(1);
    }
    digits.parse::<u32>().ok().map(|bits| bits.div_ceil(8)).filter(|bytes| [1, 2, 4, 8].contains(bytes))
}

/// The bank of each word of a matrix in shared memory, as a grid.
pub(super) fn banks_grid(shared: &Shared, [rows, columns]: [u32; 2], bytes: u32) -> String {
    let (shown_rows, shown) = (rows.min(DRAWN), columns.min(64));
    let grid_rows: Vec<(String, Vec<Cell>)> = (0..shown_rows)
        .map(|row| {
            // A cell for each word of four bytes.
            let step = (4 / bytes).max(1) as usize;
            let cell = |column| {
                let bank = Shared::bank(shared.byte(row, column, [rows, columns], bytes));
                Cell { text: bank.to_string(), group: bank }
            };
            (row.to_string(), (0..shown).step_by(step).map(cell).collect())
        })
        .collect();
    let labels: Vec<String> =
        (0..shown).step_by((4 / bytes).max(1) as usize).map(|column| column.to_string()).collect();
    grid::html(&format!("the bank (of {BANKS}) that holds each word"), &labels, &grid_rows)
}

fn draw_shared(
    head: &str,
    attribute: &str,
    shared: &Shared,
    shape: &[u32],
    element: &str,
) -> Result<Output, Unsupported> {
    let [.., rows, columns] = *shape else {
        return Err(Unsupported("shared memory of one dimension".to_owned()));
    };
    let bytes = element_bytes(element).ok_or_else(|| Unsupported(format!("elements of type {element}")))?;
    let byte = |row: u32, column: u32| shared.byte(row % rows, column % columns, [rows, columns], bytes);
    let per_word = (16 / bytes).max(1);
    let accesses = [
        ("a warp along a row, one element a lane", ways((0..32).map(|lane| byte(0, lane)))),
        ("a warp down a column, one element a lane", ways((0..32).map(|lane| byte(lane, 0)))),
        (
            "one matrix of ldmatrix, 8 rows of 16 bytes",
            ways(
                (0..8).flat_map(|row| (0..16 / 4).map(move |word| (row, word * per_word / 4))).map(|(r, c)| byte(r, c)),
            ),
        ),
    ];
    let mut text = format!("{head}\n{attribute}\n{}×{} elements of {bytes} bytes", rows, columns);
    for (what, ways) in accesses {
        let conflict =
            if ways <= 1 { "no conflict".to_owned() } else { format!("{ways} rounds ({ways}-way conflict)") };
        text += &format!("\n{what}: {conflict}");
    }
    let html = format!(
        "<div><style>{}</style><strong>{}</strong><pre style=\"margin:2px 0;white-space:pre-wrap\">{}</pre>{}</div>",
        grid::STYLE,
        escape_html(head),
        escape_html(text.split_once('\n').map_or("", |(_, rest)| rest)),
        banks_grid(shared, [rows, columns], bytes)
    );
    let facts = json!({"shape": [rows, columns], "rounds": accesses.map(|(what, ways)| json!({"access": what, "rounds": ways}))});
    Ok(Output::text(text).with_html(html).with_facts(facts))
}
