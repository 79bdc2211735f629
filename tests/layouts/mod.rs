//! Layouts are Triton's own, where a Triton that answers is installed: 3.6's Gluon does.

mod cases;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use warpbook_ir::layout::{Basis, Encoding, SharedCost};
use warpbook_test_support::environment::{self, GLUON_TRITON, has_triton};
use warpbook_test_support::random::Random;

use cases::{Case, Numbers};

/// How many layouts are asked for.
const CASES: usize = 12_000;

/// The vectors of a layout, as the oracle writes them.
fn computed_answers(case: &Case) -> Value {
    let encoding =
        Encoding::parse(&case.text, &HashMap::new()).unwrap_or_else(|error| panic!("{}: {error:?}", case.text));
    let refused = |error: &_| -> ! { panic!("{} of {:?}: {error:?}", case.text, case.shape) };
    match encoding {
        Encoding::Shared(shared) => {
            let own = shared.layout(&case.shape).unwrap_or_else(|error| refused(&error));
            json!([own.register, own.block])
        }
        Encoding::TensorMemory(memory) => {
            let bits = case.question["bits"].as_u64().expect("bits") as u32;
            let mut own = memory.layout(&case.shape, bits).unwrap_or_else(|error| refused(&error));
            // What is between the elements, no register holds.
            own.register.retain(is_used);
            // Lanes that would hold nothing take the second half of the columns.
            if let Some(free) = own.lane[..5].iter_mut().find(|basis| !is_used(basis)) {
                *free = own.register.pop().expect("columns");
            }
            json!([own.register, own.lane[..5], own.lane[5..], own.block])
        }
        encoding => {
            let own = encoding.layout(&case.shape).unwrap_or_else(|error| refused(&error));
            json!([own.register, own.lane, own.warp, own.block])
        }
    }
}

fn is_used(basis: &Basis) -> bool {
    basis.iter().any(|&coordinate| coordinate != 0)
}

/// Asks the installed Triton; `None` where there is none that answers.
fn ask(questions: Vec<Value>) -> Option<Vec<Value>> {
    if !has_triton(GLUON_TRITON) {
        return None;
    }
    let python = environment::managed(GLUON_TRITON)?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layouts/oracle.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the oracle starts");
    let mut input = child.stdin.take().expect("its input");
    let lines: Vec<String> = questions.iter().map(Value::to_string).collect();
    let writer = std::thread::spawn(move || input.write_all((lines.join("\n") + "\n").as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    let _ = writer.join().expect("written");
    let answers: Vec<Value> =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), questions.len(), "the oracle stopped at {:?}", questions.get(answers.len()));
    Some(answers)
}

#[test]
fn layouts_are_what_triton_says() {
    let mut numbers = Numbers(Random(5));
    let cases: Vec<Case> = (0..CASES).map(|at| numbers.case(at)).collect();
    let Some(answers) = ask(cases.iter().map(|case| case.question.clone()).collect()) else { return };
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for (case, answer) in cases.iter().zip(answers) {
        assert_eq!(computed_answers(case), answer, "{} of {:?}", case.text, case.shape);
        *kinds.entry(case.question["kind"].as_str().expect("a kind").to_owned()).or_default() += 1;
    }
    println!("{CASES} layouts equal: {kinds:?}");
}

#[test]
fn conflicts_are_what_triton_says() {
    let mut numbers = Numbers(Random(6));
    let cases: Vec<_> = (0..300).map(|_| numbers.conflict()).collect();
    let questions = cases.iter().map(|([registers, memory], bits)| {
        let (registers, memory) = (&registers.question, &memory.question);
        json!({"kind": "conflicts", "registers": registers, "memory": memory, "shape": [128, 128], "bits": bits})
    });
    let Some(answers) = ask(questions.collect()) else { return };
    let none = HashMap::new();
    for (([registers, memory], bits), answer) in cases.iter().zip(answers) {
        let layout =
            Encoding::parse(&registers.text, &none).and_then(|it| it.layout(&registers.shape)).expect("a layout");
        let Ok(Encoding::Shared(shared)) = Encoding::parse(&memory.text, &none) else { panic!("{}", memory.text) };
        let placed = shared.placed(&memory.shape, bits / 8).expect("a layout");
        let cost = SharedCost::for_lanes(&layout, &placed);
        let conflicts = cost.rounds / cost.least - 1;
        assert_eq!(answer, conflicts, "{bits} bits, {} in {}: {cost:?}", registers.text, memory.text);
    }
}
