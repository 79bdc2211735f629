//! What the operations of a TTGIR move: conversions, accesses to shared, global and tensor memory.

use serde_json::json;

use super::access::Access;
use super::draw::{self, Window, document, first_places, memory_grids, thread};
use super::source::{Source, bracketed, by_x, rounded, tail};
use crate::render::grid::{Bar, Cell, Mark, Way};
use crate::render::{Alternative, Block, Document, Fold, Limited};
use warpbook_ir::layout::{
    Conversion, Distance, Encoding, GlobalCost, Layout, Means, Place, Placed, Rule, SharedCost, Through, Unsupported,
    bank,
};
use warpbook_ir::shaped::{Kind, Operation, Shaped};

/// An operation that moves a tensor.
pub struct Moved {
    /// `ttg.convert_layout`
    pub name: String,
    kind: Move,
}

enum Move {
    Conversion { from: Layout, to: Layout, rule: Rule },
    Shared { registers: Layout, memory: Placed, cost: SharedCost, store: bool },
    Global { registers: Layout, cost: GlobalCost, element_bytes: u32 },
    TensorMemory { registers: Layout, memory: Layout, bits: u32, store: bool },
}

fn layout_of(shaped: &Shaped, source: &Source<'_>) -> Result<Layout, Unsupported> {
    Encoding::parse(&shaped.encoding, &source.aliases)?.layout(&shaped.shape)?.small()
}

fn placed_of(shaped: &Shaped, source: &Source<'_>) -> Result<Placed, Unsupported> {
    let bits = shaped.element_bits().ok_or_else(|| Unsupported(format!("elements of type {}", shaped.element)))?;
    match Encoding::parse(&shaped.encoding, &source.aliases)? {
        Encoding::Shared(shared) => shared.placed(&rounded(tail(&shaped.shape, shared.rank())), bits / 8),
        _ => Err(Unsupported(format!("{} is not a layout of shared memory", shaped.encoding))),
    }
}

/// What an operation moves; `None` for one that moves nothing by a layout.
pub fn find_move(operation: &Operation, source: &Source<'_>) -> Option<Result<Moved, Unsupported>> {
    let tensor = operation.types.iter().find(|shaped| shaped.kind == Kind::Tensor);
    let memory = operation.first(Kind::Memory);
    let name = operation.name.trim_start_matches("ttg.").trim_start_matches("ttng.").trim_start_matches("tt.");
    let moved = match (name, tensor, memory) {
        ("convert_layout", Some(from), None) => conversion(from, operation.types.last()?, source),
        ("local_load", Some(tensor), Some(memory)) => shared(tensor, memory, false, source),
        ("local_store" | "local_alloc", Some(tensor), Some(memory)) => shared(tensor, memory, true, source),
        ("async_copy_global_to_local", Some(tensor), Some(memory)) => shared(tensor, memory, true, source),
        ("load" | "store" | "atomic_rmw" | "atomic_cas", Some(tensor), None) if tensor.pointee_bits().is_some() => {
            global(tensor, source)
        }
        ("tmem_load", Some(tensor), Some(memory)) => tensor_memory(tensor, memory, false, source),
        ("tmem_store" | "tmem_alloc", Some(tensor), Some(memory)) => tensor_memory(tensor, memory, true, source),
        _ => return None,
    };
    Some(moved.map(|kind| Moved { name: operation.name.clone(), kind }))
}

fn conversion(from: &Shaped, to: &Shaped, source: &Source<'_>) -> Result<Move, Unsupported> {
    Ok(Move::Conversion { from: layout_of(from, source)?, to: layout_of(to, source)?, rule: source.rule })
}

fn shared(tensor: &Shaped, memory: &Shaped, store: bool, source: &Source<'_>) -> Result<Move, Unsupported> {
    let (registers, memory) = (layout_of(tensor, source)?, placed_of(memory, source)?);
    if registers.shape != memory.layout.shape {
        return Err(Unsupported(format!("{} in memory for {}", by_x(&memory.layout.shape), by_x(&registers.shape))));
    }
    let encoding = Encoding::parse(&tensor.encoding, &source.aliases)?;
    // Fragments go by matrices: loads from sm_75 on, stores from sm_90 on.
    let is_fragment = match &encoding {
        Encoding::DotOperand { parent, .. } => !store && matches!(**parent, Encoding::Mma(_)),
        Encoding::Mma(_) => source.capability() >= if store { 90 } else { 75 },
        _ => false,
    };
    let matrices =
        SharedCost::for_matrices(&registers, &memory).filter(|_| is_fragment && tensor.pointee_bits().is_none());
    let cost = matrices.unwrap_or_else(|| SharedCost::for_lanes(&registers, &memory));
    Ok(Move::Shared { registers, memory, cost, store })
}

fn global(tensor: &Shaped, source: &Source<'_>) -> Result<Move, Unsupported> {
    let encoding = Encoding::parse(&tensor.encoding, &source.aliases)?;
    let registers = encoding.layout(&tensor.shape)?.small()?;
    let element_bytes = tensor.pointee_bits().unwrap_or(32) / 8;
    let along = encoding.contiguous().unwrap_or(tensor.shape.len().saturating_sub(1));
    let cost = GlobalCost::compute(&registers, along, element_bytes);
    Ok(Move::Global { registers, cost, element_bytes })
}

fn tensor_memory(tensor: &Shaped, memory: &Shaped, store: bool, source: &Source<'_>) -> Result<Move, Unsupported> {
    let registers = layout_of(tensor, source)?;
    let bits = memory.element_bits().ok_or_else(|| Unsupported(format!("elements of type {}", memory.element)))?;
    let layout = match Encoding::parse(&memory.encoding, &source.aliases)? {
        Encoding::TensorMemory(encoding) => encoding.layout(tail(&memory.shape, 2), bits)?,
        _ => return Err(Unsupported(format!("{} is not a layout of tensor memory", memory.encoding))),
    };
    Ok(Move::TensorMemory { registers, memory: layout, bits, store })
}

/// Every access to memory of a layout.
pub fn accesses_of(encoding: &str, source: &Source<'_>) -> Vec<Access> {
    let mut found: Vec<Access> = Vec::new();
    for operation in &source.operations {
        let Some(memory) =
            operation.types.iter().find(|shaped| shaped.kind == Kind::Memory && shaped.encoding == encoding)
        else {
            continue;
        };
        let what = match &operation.result {
            Some(result) => format!("{result} = {}", operation.name),
            None => operation.name.clone(),
        };
        if let Some(Ok(moved)) = find_move(operation, source) {
            if let Move::Shared { cost, .. } = moved.kind {
                found.push(Access { what, description: describe_shared_cost(&cost), cost: Some(cost) });
            }
            continue;
        }
        let description = match operation.name.as_str() {
            "ttng.warp_group_dot" | "ttng.tc_gen5_mma" | "ttng.tc_gen5_mma_scaled" => {
                let Some(cost) = placed_of(memory, source).ok().and_then(|placed| SharedCost::for_core(&placed)) else {
                    continue;
                };
                found.push(Access { what, description: describe_shared_cost(&cost), cost: Some(cost) });
                continue;
            }
            "ttng.async_tma_copy_global_to_local" | "ttng.async_tma_gather" => "TMA writes it, whole lines at a time",
            "ttng.async_tma_copy_local_to_global" | "ttng.async_tma_reduce" | "ttng.async_tma_scatter" => {
                "TMA reads it, whole lines at a time"
            }
            _ => continue,
        };
        found.push(Access { what, description: description.to_owned(), cost: None });
    }
    // The same access again and again, as a pipelined loop has it, is one.
    let mut seen: Vec<(String, String)> = Vec::new();
    found.retain(|access| {
        let name = access.what.rsplit(' ').next().unwrap_or_default().to_owned();
        let key = (name, access.description.clone());
        let is_new = !seen.contains(&key);
        seen.push(key);
        is_new
    });
    found
}

fn through(cost: &SharedCost) -> String {
    match cost.through {
        Through::Lanes(bytes) => format!("{bytes} bytes per lane"),
        Through::Matrices { transposed: false } => "matrices of 8 rows of 16 bytes".to_owned(),
        Through::Matrices { transposed: true } => "transposed matrices of 8 rows of 16 bytes".to_owned(),
        Through::Core => "the tensor core reads 8 rows of 16 bytes".to_owned(),
    }
}

/// `16 bytes a lane, 4 rounds, no conflict`
pub fn describe_shared_cost(cost: &SharedCost) -> String {
    let rounds = |count: u32| if count == 1 { "1 round".to_owned() } else { format!("{count} rounds") };
    let mut text = format!("{}, {}", through(cost), rounds(cost.rounds));
    match &cost.collision {
        Some(found) if cost.rounds > cost.least => {
            let who: Vec<String> = found.elements.iter().take(4).map(|(_, at)| bracketed(at)).collect();
            let more = if found.elements.len() > 4 { ", …" } else { "" };
            text += &format!(
                " instead of {}: {}{more} use bank {} at the same time",
                cost.least,
                who.join(", "),
                found.bank
            );
        }
        _ => text += ", no conflict",
    }
    text
}

fn describe_global_cost(cost: &GlobalCost) -> String {
    let mut text = format!("{} bytes per lane, {} sectors of 32 bytes per request", cost.width, cost.sectors);
    if cost.sectors > cost.least {
        text += &format!(", where {} would be enough", cost.least);
    }
    let plural = if cost.requests == 1 { "request" } else { "requests" };
    text + &format!("; {} {plural} per warp", cost.requests)
}

impl Moved {
    /// Describes the transfer in a sentence.
    pub fn describe(&self) -> Result<String, Unsupported> {
        Ok(match &self.kind {
            Move::Conversion { from, to, rule } => {
                let conversion = Conversion::new(from, to, *rule)?;
                let counts = Distance::ALL.iter().zip(conversion.counts).filter(|(_, count)| *count > 0);
                let counts: Vec<String> =
                    counts.map(|(distance, count)| format!("{count} {}", distance.name())).collect();
                format!("{}; {}", conversion.means.name(), counts.join(", "))
            }
            Move::Shared { cost, .. } => describe_shared_cost(cost),
            Move::Global { cost, .. } => describe_global_cost(cost),
            Move::TensorMemory { registers, store, .. } => {
                let direction = if *store { "each warp writes" } else { "each warp reads" };
                format!("{direction} its 32 lanes, {} registers per thread", registers.places().register)
            }
        })
    }

    /// The section of the list that the transfer belongs to.
    pub fn group(&self) -> Group {
        match self.kind {
            Move::Conversion { .. } => Group::Conversion,
            Move::Shared { .. } | Move::TensorMemory { .. } => Group::Memory,
            Move::Global { .. } => Group::Global,
        }
    }
}

/// Kinds of moves, as they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Conversion,
    Memory,
    Global,
}

/// Draws the transfer under `head`. `chosen` holds the indices of an element that is marked.
pub fn draw(head: &str, moved: &Moved, chosen: Option<&[u32]>) -> Document {
    let head = format!("{head} · {}", moved.name);
    match &moved.kind {
        Move::Conversion { from, to, rule } => draw_conversion(&head, from, to, *rule, chosen),
        Move::Shared { registers, memory, cost, store } => draw_shared(&head, registers, memory, cost, *store, chosen),
        Move::Global { registers, cost, element_bytes } => draw_global(&head, registers, cost, *element_bytes, chosen),
        Move::TensorMemory { registers, memory, bits, store } => {
            draw_tensor_memory(&head, registers, memory, *bits, *store, chosen)
        }
    }
}

/// Conversions that are drawn in one output.
const DRAWN: usize = 8;

/// Every conversion, one below the other.
pub fn conversions(headline: &str, source: &Source<'_>) -> Document {
    let mut all = Vec::new();
    for operation in source.operations.iter().filter(|operation| operation.name == "ttg.convert_layout") {
        let name = operation.result.as_deref().unwrap_or_default();
        let (from, to) = (operation.types.first(), operation.types.last());
        let encoding = |shaped: Option<&Shaped>| shaped.map_or("", |shaped| shaped.encoding.as_str()).to_owned();
        let head = format!("{name}: {} -> {}", encoding(from), encoding(to));
        all.push(match find_move(operation, source) {
            Some(Ok(moved)) => draw(&head, &moved, None),
            Some(Err(what)) => not_drawn(&head, &what),
            None => continue,
        });
    }
    let facts: Vec<_> = all.iter().filter_map(Document::facts).cloned().collect();
    let count = all.len();
    let mut document = Document::new(headline);
    for (at, one) in all.into_iter().enumerate() {
        let body = match at < DRAWN {
            true => one.into_blocks(),
            false => vec![Alternative::in_text(one.text()).into()],
        };
        document.push(Limited { most: 3800, body, otherwise: None });
    }
    if count > DRAWN {
        document.line(format!("… {} more, which `%layout` lists", count - DRAWN));
    }
    if count == 0 {
        document.line("no conversion");
    }
    document.with_facts(json!({"conversions": facts}))
}

/// What stands in the place of a picture that cannot be made.
fn not_drawn(head: &str, Unsupported(what): &Unsupported) -> Document {
    document(head, format!("not drawn: {what}"), [])
}

const HUES: [u16; 5] = [140, 210, 45, 20, 330];

fn draw_conversion(head: &str, from: &Layout, to: &Layout, rule: Rule, chosen: Option<&[u32]>) -> Document {
    let conversion = match Conversion::new(from, to, rule) {
        Ok(conversion) => conversion,
        Err(what) => return not_drawn(head, &what),
    };
    let mut text = format!("{}: {}", by_x(&from.shape), conversion.means.name());
    if let (Means::Shared, Some(mixed)) = (conversion.means, conversion.mixed) {
        text += &format!(
            ", though all stays in its warp: {mixed} bits of the register number change places with lane bits"
        );
    }
    if conversion.copies {
        text += ", though all stays in its warp: lanes hold copies of each other's elements";
    }
    let counts: Vec<_> = Distance::ALL.iter().zip(conversion.counts).collect();
    for (distance, count) in counts.iter().filter(|(_, count)| *count > 0) {
        let plural = if *count == 1 { "value" } else { "values" };
        text += &format!("\n{count} {plural} {}", distance.name());
    }
    // What comes from farthest is the most telling.
    let farthest = || {
        let farthest =
            counts.iter().rev().find(|(_, count)| *count > 0).map_or(Distance::None, |(distance, _)| **distance);
        to.elements().find(|(place, at)| conversion.nearest(*place, at).0 == farthest).map(|(_, at)| at)
    };
    let shown = chosen.map(<[u32]>::to_vec).or_else(farthest).unwrap_or_else(|| vec![0; from.shape.len()]);
    let blocks = from.places().block.max(to.places().block);
    let by = |distance: Distance| match (distance, conversion.means) {
        (Distance::None, _) => "stays",
        (Distance::Register, _) => "renamed",
        (_, Means::Shuffles) => "shfl",
        (_, Means::Cluster) => "cluster's shared memory",
        _ => "shared memory",
    };
    let ways = conversion.ways_of(&shown);
    for (source, distance, target) in ways.iter().take(8) {
        let (source, target) = (thread(*source, blocks), thread(*target, blocks));
        text += &format!("\n{}: {source} → {target} ({})", bracketed(&shown), by(*distance));
    }
    if ways.len() > 8 {
        text += &format!("\n… and to {} places more", ways.len() - 8);
    }
    let caption =
        format!("{} values afterwards, by the distance that they move", conversion.counts.iter().sum::<u64>());
    let part = |(distance, count): &(&Distance, u64)| (distance.name().to_owned(), *count, HUES[**distance as usize]);
    let mut pictures: Vec<Block> = vec![Bar { caption, parts: counts.iter().map(part).collect() }.into()];
    if let Some((source, distance, target)) = ways.first() {
        let stations =
            vec![(thread(*source, blocks), String::new()), (thread(*target, blocks), by(*distance).to_owned())];
        pictures.push(Way { caption: format!("the path of {}", bracketed(&shown)), stations }.into());
    }
    let places = first_places(to);
    // Narrow, so that both stand side by side.
    let window = Window::new(&to.shape, Some(&shown), 8);
    let warps = to.places().warp;
    let after = |at: &[u32]| {
        let place = places.get(at).copied().unwrap_or_default();
        let (distance, _) = conversion.nearest(place, at);
        Cell {
            text: thread(place, blocks),
            hue: Some(HUES[distance as usize]),
            tone: 1,
            region: place.block * warps + place.warp,
            mark: Mark::None,
        }
    };
    let source_places = first_places(from);
    let before = |at: &[u32]| {
        let place = source_places.get(at).copied().unwrap_or_default();
        Cell::in_lane(thread(place, blocks), place.lane, place.block * from.places().warp + place.warp)
    };
    let caption_before = format!("before{}: the thread that holds each element", window.cut);
    let caption_after =
        format!("afterwards{}: the thread that holds it, coloured by the distance that it moved", window.cut);
    pictures.push(Block::Columns(vec![
        vec![window.grid(caption_before, before, Some(&shown)).into()],
        vec![window.grid(caption_after, after, Some(&shown)).into()],
    ]));
    let facts = json!({
        "means": conversion.means.name(),
        "counts": conversion.counts, "element": shown, "shape": from.shape,
    });
    document(head, text, pictures).with_facts(facts)
}

fn draw_shared(
    head: &str,
    registers: &Layout,
    memory: &Placed,
    cost: &SharedCost,
    store: bool,
    chosen: Option<&[u32]>,
) -> Document {
    let mut text = format!("{}: {}", by_x(&registers.shape), describe_shared_cost(cost));
    let plural = if cost.requests == 1 { "request" } else { "requests" };
    text += &format!("\n{} {plural} per warp", cost.requests);
    let shown = chosen.map_or_else(|| vec![0; registers.shape.len()], <[u32]>::to_vec);
    let blocks = registers.places().block;
    let places: Vec<Place> = registers.elements().filter(|(_, at)| *at == shown).map(|(place, _)| place).collect();
    let mut pictures = Vec::new();
    if let (Some(place), Some((_, byte))) = (places.first(), memory.byte(&shown)) {
        let threads = thread(*place, blocks);
        let address = format!("byte {byte:#x}, bank {}", bank(byte));
        let arrow = if store { "→" } else { "←" };
        let more = match places.len() {
            0 | 1 => String::new(),
            2 => " and one more place".to_owned(),
            count => format!(" and {} more places", count - 1),
        };
        text += &format!("\n{}: {threads}{more} {arrow} {address}", bracketed(&shown));
        let by = match (cost.through, store) {
            (Through::Matrices { .. }, false) => "ldmatrix",
            (Through::Matrices { .. }, true) => "stmatrix",
            (_, false) => "ld.shared",
            (_, true) => "st.shared",
        };
        let mut stations = vec![(threads, String::new()), (address, by.to_owned())];
        if !store {
            stations.reverse();
            stations[0].1.clear();
            stations[1].1 = by.to_owned();
        }
        pictures.push(Way { caption: format!("the path of {}", bracketed(&shown)), stations }.into());
    }
    pictures.extend(memory_grids(memory, chosen, cost.collision.as_ref().filter(|_| cost.rounds > cost.least)));
    pictures.push(Fold::new("the registers").with(draw::distributed_grid("the tensor", registers, chosen)).into());
    let facts = json!({
        "shape": registers.shape, "rounds": cost.rounds, "least": cost.least, "requests": cost.requests,
    });
    document(head, text, pictures).with_facts(facts)
}

fn draw_global(head: &str, registers: &Layout, cost: &GlobalCost, bytes: u32, chosen: Option<&[u32]>) -> Document {
    let mut text = format!("{}: {}", by_x(&registers.shape), describe_global_cost(cost));
    text +=
        &format!("\nif neighbours along dimension {} are neighbours in memory, and rows begin at sectors", cost.along);
    // The sectors that the first request of warp 0 touches.
    let window = Window::new(&registers.shape, chosen, 32);
    let places = first_places(registers);
    let vector = cost.width / bytes.max(1);
    let is_first = |place: &Place, at: &[u32]| {
        let start = registers.element(Place { register: 0, ..*place });
        place.warp == 0
            && place.block == 0
            && at.iter().zip(&start).enumerate().all(|(dimension, (at, start))| {
                if dimension == cost.along { at.abs_diff(*start) < vector } else { at == start }
            })
    };
    let cell = |at: &[u32]| {
        let Some(place) = places.get(at) else { return Cell::default() };
        let text = thread(*place, registers.places().block);
        if is_first(place, at) {
            let sector = at[cost.along] * bytes / 32;
            let rows: u32 =
                at.iter().enumerate().filter(|(dimension, _)| *dimension != cost.along).map(|(_, &at)| at).sum();
            let hue = ((sector + rows) % 8 * 45 + 210) as u16 % 360;
            return Cell { text, hue: Some(hue), tone: 2, region: sector, mark: Mark::None };
        }
        Cell { text, hue: Some(0), tone: 0, region: at[cost.along] * bytes / 32, mark: Mark::None }
    };
    let caption = format!(
        "the tensor{}: coloured is what the first request of warp 0 moves; a thick line goes between sectors",
        window.cut
    );
    let pictures = [window.grid(caption, cell, chosen).into()];
    let facts = json!({
        "sectors": cost.sectors, "least": cost.least, "width": cost.width, "requests": cost.requests, "along": cost.along,
    });
    document(head, text, pictures).with_facts(facts)
}

fn draw_tensor_memory(
    head: &str,
    registers: &Layout,
    memory: &Layout,
    bits: u32,
    store: bool,
    chosen: Option<&[u32]>,
) -> Document {
    let shown = chosen.map_or_else(|| vec![0; registers.shape.len()], <[u32]>::to_vec);
    let mut text = format!("{}: ", by_x(&registers.shape));
    text += if store { "each warp writes its 32 lanes" } else { "each warp reads its 32 lanes" };
    text += &format!(", {} registers per thread", registers.places().register);
    let blocks = registers.places().block;
    let thread_place = registers.elements().find(|(_, at)| *at == shown).map(|(place, _)| place);
    let memory_place = memory.elements().find(|(_, at)| *at == shown).map(|(place, _)| place);
    let mut pictures: Vec<Block> = Vec::new();
    if let (Some(place), Some(at)) = (thread_place, memory_place) {
        let column = at.register * bits / 32;
        let (threads, address) = (thread(place, blocks), format!("lane {}, column {column}", at.lane));
        let arrow = if store { "→" } else { "←" };
        text += &format!("\n{}: {threads} {arrow} {address}", bracketed(&shown));
        let mut stations = vec![(threads, String::new()), (address, "tcgen05.st".to_owned())];
        if !store {
            stations.reverse();
            stations[0].1.clear();
            stations[1].1 = "tcgen05.ld".to_owned();
        }
        pictures.push(Way { caption: format!("the path of {}", bracketed(&shown)), stations }.into());
    }
    pictures.push(draw::distributed_grid("the tensor", registers, chosen).into());
    let facts = json!({"shape": registers.shape, "registers": registers.places().register});
    document(head, text, pictures).with_facts(facts)
}
