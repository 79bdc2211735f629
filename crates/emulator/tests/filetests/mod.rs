//! PTX filetests: each `tests/filetests/*.ptx` says in its first comments how it is launched and what comes out.
//!
//! ```text
//! //! launch grid=1 block=32 cluster=1 shared=64 sm=80      (each has a default: 1, 32, 1, 0, 80)
//! //! buffer out u32[32]                           zeros, unless values follow: `= 1 2 3*4` (three, four times)
//! //! scalar f32 1.5
//! //! expect out = 0 1 2                           the rest of the buffer is zero
//! //! print "text\n"
//! //! error out-of-bounds line 12: message
//! //! check                                        the launch is checked: each finding is an error line
//! //! without A: error race line 12: message       what is found once the lines marked `// A` are gone
//! ```
//!
//! Parameters are the buffers and scalars in order. `WARPBOOK_BLESS=1` writes what came out over what was expected.
//! `WARPBOOK_FILETESTS_DEVICE=cuda:0` runs the files on an H100 or H200 instead, hosted by the `warpbook` that
//! `WARPBOOK_PROGRAM` names: the same bits are expected.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use warpbook_compiler::environment;
use warpbook_device::cuda::Hosted;
use warpbook_device::{Code, Device, Emulated, Launch};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::cancel::Cancel;

#[derive(Clone, Copy)]
struct Element {
    name: &'static str,
    size: usize,
    parse: fn(&str) -> Option<u64>,
    show: fn(u64) -> String,
}

fn integer(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse::<i128>().ok().map(|value| value as u64),
    }
}

const ELEMENTS: [Element; 9] = [
    Element { name: "u8", size: 1, parse: integer, show: |bits| (bits as u8).to_string() },
    Element { name: "u16", size: 2, parse: integer, show: |bits| (bits as u16).to_string() },
    Element { name: "x16", size: 2, parse: integer, show: |bits| format!("0x{bits:04x}") },
    Element { name: "u32", size: 4, parse: integer, show: |bits| (bits as u32).to_string() },
    Element { name: "s32", size: 4, parse: integer, show: |bits| (bits as i32).to_string() },
    Element { name: "x32", size: 4, parse: integer, show: |bits| format!("0x{bits:08x}") },
    Element { name: "u64", size: 8, parse: integer, show: |bits| bits.to_string() },
    Element {
        name: "f32",
        size: 4,
        parse: |text| text.parse::<f32>().ok().map(|value| value.to_bits().into()),
        show: |bits| format!("{:?}", f32::from_bits(bits as u32)),
    },
    Element {
        name: "f64",
        size: 8,
        parse: |text| text.parse::<f64>().ok().map(f64::to_bits),
        show: |bits| format!("{:?}", f64::from_bits(bits)),
    },
];

fn element(name: &str) -> Element {
    *ELEMENTS.iter().find(|element| element.name == name).unwrap_or_else(|| panic!("no element type `{name}`"))
}

/// `1 2 3*4`
fn values(element: Element, text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        let (value, count) = word.split_once('*').unwrap_or((word, "1"));
        let bits = (element.parse)(value).unwrap_or_else(|| panic!("`{value}` is no {}", element.name));
        for _ in 0..count.parse::<usize>().expect("a count") {
            bytes.extend_from_slice(&bits.to_le_bytes()[..element.size]);
        }
    }
    bytes
}

/// Values without trailing zeros, runs of four and more folded.
fn show(element: Element, bytes: &[u8]) -> String {
    let mut bits: Vec<u64> = bytes
        .chunks(element.size)
        .map(|chunk| chunk.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
        .collect();
    while bits.last() == Some(&0) {
        bits.pop();
    }
    let words = bits.chunk_by(|a, b| a == b).flat_map(|run| {
        let value = (element.show)(run[0]);
        if run.len() >= 4 { vec![format!("{value}*{}", run.len())] } else { vec![value; run.len()] }
    });
    words.collect::<Vec<_>>().join(" ")
}

struct Case {
    extents: BTreeMap<String, u32>,
    /// Name, element, contents.
    buffers: Vec<(String, Element, Vec<u8>)>,
    /// Index of a buffer, or the bytes of a scalar.
    arguments: Vec<std::result::Result<usize, Vec<u8>>>,
    expected: Vec<String>,
    /// Buffers that nothing has written, by name.
    unwritten: Vec<String>,
    /// Whether the emulator looks for races and the like; what it finds are `error` lines.
    check: bool,
}

impl Case {
    fn parse(text: &str) -> Self {
        let defaults = [("grid", 1), ("block", 32), ("cluster", 1), ("shared", 0), ("sm", 80)];
        let extents = defaults.map(|(name, value)| (name.to_owned(), value)).into();
        let mut case = Self {
            extents,
            buffers: Vec::new(),
            arguments: Vec::new(),
            expected: Vec::new(),
            unwritten: Vec::new(),
            check: false,
        };
        for line in text.lines().filter_map(|line| line.strip_prefix("//! ")) {
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            match kind {
                "launch" => {
                    for pair in rest.split_whitespace() {
                        let (name, value) = pair.split_once('=').expect("name=value");
                        let slot = case.extents.get_mut(name).unwrap_or_else(|| panic!("no `{name}` in a launch"));
                        *slot = value.parse().expect("a number");
                    }
                }
                "buffer" => {
                    let (head, contents) = rest.split_once('=').unwrap_or((rest, ""));
                    let (name, ty) = head.trim().split_once(' ').expect("buffer NAME TYPE[COUNT]");
                    let (ty, count) = ty.trim_end_matches(']').split_once('[').expect("TYPE[COUNT]");
                    let element = element(ty);
                    let mut bytes = values(element, contents);
                    let length = count.parse::<usize>().expect("a count") * element.size;
                    assert!(bytes.len() <= length, "`{name}` has too many values");
                    bytes.resize(length, 0);
                    case.arguments.push(Ok(case.buffers.len()));
                    case.buffers.push((name.to_owned(), element, bytes));
                }
                "scalar" => {
                    let (ty, value) = rest.split_once(' ').expect("scalar TYPE VALUE");
                    case.arguments.push(Err(values(element(ty), value)));
                }
                "check" => case.check = true,
                "unwritten" => case.unwritten.push(rest.to_owned()),
                "expect" | "print" | "error" | "without" => case.expected.push(line.trim_end().to_owned()),
                _ => panic!("no `{kind}` in a filetest"),
            }
        }
        case
    }

    fn run(&self, ptx: &str) -> Result<Vec<String>> {
        let mut device: Box<dyn Device> = match gpu() {
            Some((name, program)) => Box::new(Hosted::start_by(&name, &program)?),
            None => Box::new(Emulated::new(self.extents["sm"])),
        };
        let entry = ptx.split_once(".entry").map_or("", |(_, rest)| rest.trim_start());
        let entry = entry.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        let function = device.load(Code::Ptx(ptx), entry)?;
        let mut addresses = Vec::new();
        for (name, _, bytes) in &self.buffers {
            let address = device.allocate(name, bytes.len() as u64)?;
            device.write(address, bytes)?;
            addresses.push(address);
        }
        let unwritten = self.buffers.iter().zip(&addresses).filter(|((name, ..), _)| self.unwritten.contains(name));
        device.set_unwritten(unwritten.map(|((_, _, bytes), &address)| (address, bytes.len() as u64)).collect());
        let args = self.arguments.iter().map(|argument| match argument {
            Ok(buffer) => addresses[*buffer].to_le_bytes().to_vec(),
            Err(bytes) => bytes.clone(),
        });
        let launch = Launch {
            function,
            grid: [self.extents["grid"], 1, 1],
            block: [self.extents["block"], 1, 1],
            cluster: [self.extents["cluster"], 1, 1],
            shared: self.extents["shared"],
            args: args.collect(),
            cooperative: false,
            dependent: false,
            seed: 0,
            observe: None,
            check: self.check,
        };
        let printed = Mutex::new(String::new());
        let report =
            device.launch(&launch, &Cancel::new(), &|text| printed.lock().expect("no panic").push_str(text))?;
        let findings = report.checked.iter().flat_map(|checked| &checked.findings);
        let mut lines: Vec<String> = findings.map(|finding| error_line(ptx, finding)).collect();
        for ((name, element, before), address) in self.buffers.iter().zip(addresses) {
            let mut after = vec![0; before.len()];
            device.read(address, &mut after)?;
            if after != *before {
                lines.push(format!("expect {name} = {}", show(*element, &after)).trim_end().to_owned());
            }
        }
        let printed = printed.into_inner().expect("no panic");
        if !printed.is_empty() {
            lines.push(format!("print {printed:?}"));
        }
        Ok(lines)
    }
}

/// The marks of a text in order, and the text without the lines that have each.
fn mutants(text: &str) -> Vec<(String, String)> {
    let mark = |line: &str| {
        let (_, mark) = line.rsplit_once("// ").filter(|_| !line.starts_with("//"))?;
        (mark.len() == 1 && mark.chars().all(|c| c.is_ascii_uppercase())).then(|| mark.to_owned())
    };
    let mut marks: Vec<String> = text.lines().filter_map(mark).collect();
    marks.sort();
    marks.dedup();
    let without = |gone: String| {
        let lines = text.lines().map(|line| if mark(line).as_ref() == Some(&gone) { "" } else { line });
        let text = lines.collect::<Vec<_>>().join("\n");
        (gone, text)
    };
    marks.into_iter().map(without).collect()
}

/// The GPU that the files are run on instead of the emulator, and the program that hosts it.
fn gpu() -> Option<(String, PathBuf)> {
    let device = std::env::var("WARPBOOK_FILETESTS_DEVICE").ok()?;
    let program =
        std::env::var_os("WARPBOOK_PROGRAM").expect("WARPBOOK_PROGRAM names the `warpbook` that hosts the GPU");
    Some((device, program.into()))
}

/// Why a file says nothing about a GPU of compute capability 9.0, if it does not.
fn emulator_only(case: &Case, text: &str) -> Option<&'static str> {
    let architecture = case.extents["sm"];
    if architecture > 90 {
        Some("it is for another architecture")
    } else if case.expected.iter().any(|line| line.starts_with("error")) {
        Some("its error is the emulator's own")
    } else if text.contains("mma.sync") && architecture != 90 {
        Some("it is another architecture's arithmetic")
    } else if text.contains("// Not on a GPU") {
        Some("it says so")
    } else {
        None
    }
}

fn error_line(ptx: &str, error: &Diagnostic) -> String {
    let line = error.labels.first().map(|label| ptx[..label.span.start].matches('\n').count() + 1);
    let place = line.map_or(String::new(), |line| format!(" line {line}"));
    let notes = error.notes.iter().map(|note| format!("; {note}")).collect::<String>();
    let origin = error.origin.as_ref().map(|at| format!("; from {}:{}:{}", at.path, at.line, at.column));
    format!("error {}{place}: {}{notes}{}", error.code, error.message, origin.unwrap_or_default())
}

fn bless(path: &Path, text: &str, lines: &[String]) {
    let is_expectation =
        |line: &str| ["//! expect", "//! print", "//! error", "//! without"].iter().any(|kind| line.starts_with(kind));
    let (head, body): (Vec<&str>, Vec<&str>) = {
        let kept = text.lines().filter(|line| !is_expectation(line));
        kept.partition(|line| line.starts_with("//"))
    };
    // Comments of the body stay where they are: only the first lines are the head.
    assert!(text.lines().skip_while(|line| line.starts_with("//")).all(|line| !line.starts_with("//")), "{path:?}");
    let expected = lines.iter().map(|line| format!("//! {line}"));
    let all: Vec<String> =
        head.iter().map(|l| l.to_string()).chain(expected).chain(body.iter().map(|l| l.to_string())).collect();
    std::fs::write(path, all.join("\n") + "\n").expect("writes");
}

/// The files: those written by hand, and those of single forms, which `derive.py` writes.
fn paths() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests");
    let entries = [folder.clone(), folder.join("forms")]
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()));
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "ptx")).collect();
    paths.sort();
    paths
}

/// The instruction forms of a text: opcodes with their modifiers and types, as `benches/forms.py` takes them.
fn forms(text: &str) -> BTreeSet<String> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let statements: Vec<&str> = code.flat_map(|line| line.split(';')).collect();
    let opcode = |statement: &&str| {
        let statement = statement.trim().trim_start_matches('{').trim();
        let statement = match statement.strip_prefix('@') {
            Some(guarded) => guarded.split_once(char::is_whitespace)?.1.trim(),
            None => statement,
        };
        let end = statement.find(|c: char| c.is_whitespace() || "{([".contains(c)).unwrap_or(statement.len());
        let opcode = &statement[..end];
        let dotted = opcode.starts_with(|c: char| c.is_ascii_lowercase()) && opcode.contains('.');
        let plain = ["ret", "exit", "trap", "bra", "call"].contains(&opcode);
        (dotted || plain).then(|| opcode.to_owned())
    };
    statements.iter().filter_map(opcode).collect()
}

/// Every form that Triton emits is run by some filetest: a new one in forms.txt fails here until it has its own.
#[test]
fn every_form_that_triton_emits_has_a_filetest() {
    let mut run = BTreeSet::new();
    for path in paths() {
        let text = std::fs::read_to_string(&path).expect("reads");
        if !Case::parse(&text).expected.iter().any(|line| line.starts_with("error ptx-unsupported")) {
            run.extend(forms(&text));
        }
    }
    let table = include_str!("forms.txt");
    let wanted = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let wanted: BTreeSet<String> = wanted.map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect();
    assert!(wanted.len() > 500, "the table has {} forms", wanted.len());
    let missing: Vec<&String> = wanted.difference(&run).collect();
    assert!(missing.is_empty(), "no filetest runs {missing:#?}");
    println!("{} forms", wanted.len());
}

#[test]
fn filetests() {
    let paths = paths();
    assert!(!paths.is_empty());
    let (mut wrong, mut ran) = (Vec::new(), 0);
    for path in &paths {
        let text = std::fs::read_to_string(path).expect("reads");
        let case = Case::parse(&text);
        if gpu().is_some()
            && let Some(reason) = emulator_only(&case, &text)
        {
            println!("not run on the GPU: {}: {reason}", path.file_name().unwrap_or_default().display());
            continue;
        }
        ran += 1;
        let mut found = case.run(&text).unwrap_or_else(|error| vec![error_line(&text, &error)]);
        if case.check && gpu().is_none() {
            for (mark, mutant) in mutants(&text) {
                let lines = case.run(&mutant).unwrap_or_else(|error| vec![error_line(&mutant, &error)]);
                let mut errors: Vec<String> = lines.into_iter().filter(|line| line.starts_with("error")).collect();
                if errors.is_empty() {
                    errors.push("nothing is found".to_owned());
                }
                found.extend(errors.into_iter().map(|line| format!("without {mark}: {line}")));
            }
        }
        // What is found without a line is the checks'.
        let expected = case.expected.iter().filter(|line| gpu().is_none() || !line.starts_with("without "));
        if !found.iter().eq(expected) {
            if std::env::var_os("WARPBOOK_BLESS").is_some() && gpu().is_none() {
                bless(path, &text, &found);
            } else {
                let name = path.file_name().unwrap_or_default().display().to_string();
                wrong.push(format!("{name}\n  found    {found:#?}\n  expected {:#?}", case.expected));
            }
        }
    }
    println!("{ran} files, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The files once more in processes that use less of the host's vector unit.
#[test]
fn narrower_vector_units_give_the_same_bits() {
    for unit in ["avx2", "portable"] {
        let program = std::env::current_exe().expect("this test");
        let arguments = ["--exact", "filetests::filetests", "--nocapture"];
        let mut again = std::process::Command::new(program);
        let again = again.args(arguments).env("WARPBOOK_VECTOR_UNIT", unit).env_remove("WARPBOOK_BLESS").output();
        let output = again.expect("runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains(" files, 0 wrong"), "{unit}: {said}");
    }
}

/// What the emulator runs, ptxas takes: that of the default Triton, or of a newer one for what is newer than it.
#[test]
fn ptxas_takes_the_files() {
    let python = environment::jupyter_python(&mut |line| println!("{line}"), &Cancel::new()).expect("Python");
    let script =
        "import triton, os; print(os.path.join(os.path.dirname(triton.__file__), 'backends/nvidia/bin/ptxas'))";
    let output = std::process::Command::new(python).args(["-c", script]).output().expect("Python starts");
    let ptxas = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    assert!(ptxas.exists(), "{}", ptxas.display());
    let (mut taken, mut newer, mut refused) = (0, 0, Vec::new());
    for path in paths() {
        let text = std::fs::read_to_string(&path).expect("reads");
        if Case::parse(&text).expected.iter().any(|line| line.starts_with("error ptx")) {
            continue;
        }
        let target = text.lines().find_map(|line| line.strip_prefix(".target ")).expect("a target");
        let target = target.split(',').next().unwrap_or_default().trim();
        let mut command = std::process::Command::new(&ptxas);
        command.args(["-O0", "-arch", target, "-o", "/dev/null"]).arg(&path);
        let output = command.output().expect("ptxas starts");
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            taken += 1;
        } else if said.contains("Unsupported .version") {
            newer += 1;
        } else {
            refused.push(said.lines().take(2).collect::<Vec<_>>().join("\n"));
        }
    }
    println!("{taken} files taken, {newer} of a newer PTX than this ptxas knows");
    assert!(refused.is_empty() && taken > 500, "{}", refused.join("\n"));
}
