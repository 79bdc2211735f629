//! `docs/instructions.md` is written from the table of instructions; `WARPBOOK_BLESS=1` writes it again.

use std::collections::BTreeMap;
use std::path::Path;

use warpbook_ptx::isa::{Class, Description, Flow, Mnemonic, Modifier, Opcode, Ordering, Role, Word, Work};
use warpbook_test_support::generated::check_file;

const HEAD: &str = "\
# Instructions

This page is written from the table in `crates/ptx/src/isa/table.rs`: `WARPBOOK_BLESS=1 cargo test -p warpbook-emulator
instructions`. Sections are those of the PTX ISA 8.7.

What an instruction does with its operands: **d** gets the result, **c** is read and written, **a** is read, **p** is a
predicate that is read, **[a]** an address, **m** the mask of the lanes that take part, **l** a label. A result that may
depend on every byte of the operands is *mixed*; *bytewise*, *masked*, *shifted* and *permuted* results depend on bytes at
certain places only, which the checks follow for undefined values, and `%trace` for the origin of a value.

An instruction that the emulator does not execute is refused when a module is loaded, by name and line. So is a modifier.
";

/// The title under which an instruction is listed.
fn title(work: Work) -> &'static str {
    match work {
        Work::Arithmetic => "Arithmetic: integer, fp32, fp64, fp16 and bf16 by the last type",
        Work::Load | Work::Store => "Loads and stores: by the state space",
        Work::Is(class) => class.name(),
    }
}

fn operands(row: &Description) -> String {
    let symbol = |role: &Role| match role {
        Role::Written => "d",
        Role::Accumulated => "c",
        Role::Read => "a",
        Role::Predicate => "p",
        Role::Address => "[a]",
        Role::LaneMask => "m",
        Role::Target => "l",
    };
    row.operands.iter().map(symbol).collect::<Vec<_>>().join(", ")
}

fn flow(flow: Flow) -> &'static str {
    match flow {
        Flow::None => "",
        Flow::Mixed => "mixed",
        Flow::Bytewise => "bytewise",
        Flow::Masked => "masked",
        Flow::Halfwise => "halfwise",
        Flow::ShiftedUp | Flow::ShiftedDown => "shifted",
        Flow::Permuted => "permuted",
        Flow::Converted => "converted",
        Flow::Loaded => "from memory",
        Flow::Collective => "from other lanes",
        Flow::Matrix => "from a matrix",
    }
}

fn notes(row: &Description) -> String {
    let mut notes = Vec::new();
    if row.aligned {
        notes.push("all lanes together");
    }
    match row.ordering {
        Ordering::Nothing => {}
        Ordering::ByModifier => notes.push("strong by a modifier"),
        Ordering::Always => notes.push("orders memory"),
    }
    if row.asynchronous {
        notes.push("asynchronous");
    }
    notes.join(", ")
}

fn page() -> String {
    let mut by_title: BTreeMap<(Option<Class>, &str), Vec<Mnemonic>> = BTreeMap::new();
    for &mnemonic in Mnemonic::ALL {
        let work = mnemonic.description().work;
        let class = if let Work::Is(class) = work { Some(class) } else { None };
        by_title.entry((class, title(work))).or_default().push(mnemonic);
    }
    let executed = Mnemonic::ALL.iter().filter(|own| warpbook_emulator::implements(**own)).count();
    let mut page = format!("{HEAD}\n{executed} of {} instructions are executed.\n", Mnemonic::ALL.len());
    for ((_, title), mnemonics) in by_title {
        page += &format!("\n## {}{}\n\n", title[..1].to_uppercase(), &title[1..]);
        page += "| instruction | | operands | result | notes | from | section | executed |\n";
        page += "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
        for mnemonic in mnemonics {
            let row = mnemonic.description();
            page += &format!(
                "| `{mnemonic}` | {} | {} | {} | {} | {} | {} | {} |\n",
                row.summary,
                operands(row),
                flow(row.flow),
                notes(row),
                row.target,
                row.section,
                if warpbook_emulator::implements(mnemonic) { "yes" } else { "no" },
            );
        }
    }
    page
}

#[test]
fn the_page_of_instructions_is_that_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/instructions.md");
    check_file(&path, &page());
}

/// Triton's forms have no word that stays a text.
#[test]
fn every_form_that_triton_emits_is_in_the_table() {
    let lines = include_str!("filetests/forms.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut count = 0;
    for form in lines.map(|line| line.split('\t').next().unwrap_or_default()) {
        let opcode = Opcode::parse(form);
        let is_known = |word: &Word<Modifier>| matches!(word, Word::Known(_));
        assert!(opcode.mnemonic().is_some_and(warpbook_emulator::implements), "{form}");
        assert!(opcode.words().iter().all(is_known), "{form}");
        assert_eq!(opcode.to_string(), form);
        count += 1;
    }
    assert!(count > 500, "{count} forms");
}
