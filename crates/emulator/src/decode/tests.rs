//! What the table of instructions says of operands is what the decoded operations do with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{allocate, decode, flow, in_flight};
use crate::program::{Program, Use};
use warpbook_diagnostic::interrupt;
use warpbook_ptx::isa::Mnemonic;
use warpbook_ptx::{Instruction, Operand};

/// The names in an operand that gets a result.
fn names<'a>(operand: &'a Operand, found: &mut BTreeSet<&'a str>) {
    match operand {
        Operand::Name(name) => drop(found.insert(name)),
        Operand::Vector(parts) => parts.iter().for_each(|part| names(part, found)),
        Operand::Pair(first, second) => {
            names(first, found);
            names(second, found);
        }
        _ => {}
    }
}

/// The registers that operations write, by the place of their instruction in the text.
fn written(program: &mut Program) -> BTreeMap<usize, BTreeSet<String>> {
    let mut found: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let Program { code, spans, registers, .. } = program;
    for (pc, (instruction, span)) in code.iter_mut().zip(&*spans).enumerate() {
        let own = found.entry(span.start).or_default();
        let position = 2 * pc as u32 + 1;
        instruction.visit(&mut |file, how, slot| {
            if how == Use::Write {
                let is_it = |register: &&crate::program::Register| {
                    (register.file, register.slot) == (file, *slot)
                        && (register.live.0..=register.live.1).contains(&position)
                };
                own.extend(registers.iter().filter(is_it).map(|register| register.name.clone()));
            }
        });
    }
    found
}

/// All filetests, those of subfolders too.
fn ptx_files(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for path in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            ptx_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "ptx") {
            found.push(path);
        }
    }
}

/// False for what writes registers otherwise than by an operand.
fn is_compared(instruction: &Instruction) -> bool {
    // The callee's instructions have places of their own.
    instruction.opcode.mnemonic() != Some(Mnemonic::Call)
}

#[test]
fn results_are_where_the_table_says() {
    let mut paths = Vec::new();
    ptx_files(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests"), &mut paths);
    let (mut compared, mut wrong, mut seen) = (0, Vec::new(), BTreeSet::new());
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("reads");
        let Ok(module) = warpbook_ptx::parse(&text) else { continue };
        for entry in module.entries() {
            // Files of what is refused.
            let Ok(mut program) = decode(&module, entry) else { continue };
            let written = written(&mut program);
            for instruction in module.instructions().filter(|instruction| is_compared(instruction)) {
                let Some(written) = written.get(&instruction.span.start) else { continue };
                let mut expected = BTreeSet::new();
                if let Some(operand) = instruction.result() {
                    names(operand, &mut expected);
                }
                compared += 1;
                seen.insert(instruction.opcode.mnemonic());
                if !written.iter().map(String::as_str).eq(expected.iter().copied()) {
                    wrong.push(format!(
                        "{}: {}: written {written:?}, by the table {expected:?}",
                        path.file_name().unwrap_or_default().display(),
                        &text[instruction.span.clone()]
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 10_000 && seen.len() > 90, "{compared} instructions, {} different", seen.len());
}

/// Each step that goes through a whole kernel once its statements are decoded.
#[test]
fn the_steps_after_the_statements_end_at_an_interrupt() {
    let text = ".version 8.7\n.target sm_100a\n.address_size 64\n.visible .entry k()\n{\n\
                .reg .pred %p<2>; .reg .b32 %r<4>;\nmov.u32 %r1, %tid.x;\nsetp.eq.u32 %p1, %r1, 0;\n@%p1 bra end;\n\
                tcgen05.ld.sync.aligned.32x32b.x1.b32 {%r2}, [%r1];\nadd.u32 %r3, %r2, %r1;\nend:\nret;\n}\n";
    let module = warpbook_ptx::parse(text).expect("parsed");
    let entry = module.entries().next().expect("an entry");
    let program = decode(&module, entry).unwrap_or_else(|error| panic!("{}", error.to_plain()));
    let mut code = program.code.clone();
    let blocks = flow::blocks(&code);
    let set = Arc::new(AtomicBool::new(true));
    interrupt::under(&set, || {
        assert!(flow::post_dominators(&blocks, &code).is_err_and(|error| error.is_interrupted()));
        assert!(allocate::allocate(&mut code, &blocks, &[]).is_err_and(|error| error.is_interrupted()));
        assert!(in_flight::tensor_load_slots(&mut code).is_err_and(|error| error.is_interrupted()));
        assert!(decode(&module, entry).is_err_and(|error| error.is_interrupted()));
    });
}
