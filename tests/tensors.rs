//! Expressions of tensors through cells: `%buf`, `%show`, `%check`, and what they say of mistakes.

use std::fmt::Write as _;

use warpbook::session::Session;
use warpbook_process::cancel::Cancel;
use warpbook_test_support::notebook::{Reader, run};

/// Cells, separated by blank lines, with what each of them showed.
fn transcript(cells: &str) -> String {
    let mut session = Session::new();
    let mut text = String::new();
    for cell in cells.trim().split("\n\n") {
        let reader = Reader::default();
        let result = session.execute(cell, &reader, &Cancel::new());
        let displayed = reader.take().text;
        let shown = match result {
            Ok(output) => output.map(|output| output.text).unwrap_or_default(),
            Err(error) => error.to_plain(),
        };
        writeln!(text, "{cell}\n-----\n{displayed}{}\n", shown.trim_end()).expect("memory");
    }
    text
}

#[test]
fn buffers_take_the_type_of_their_expression() {
    insta::assert_snapshot!(transcript(include_str!("tensors/buffers.txt")));
}

#[test]
fn tensors_are_shown_as_numpy_shows_them() {
    insta::assert_snapshot!(transcript(include_str!("tensors/show.txt")));
}

#[test]
fn checks_say_what_differs_and_where() {
    insta::assert_snapshot!(transcript(include_str!("tensors/check.txt")));
}

#[test]
fn forms_of_a_tensor_hold_the_same() {
    let mut session = Session::new();
    let output = run(&mut session, "%buf m = [[1.5, -2], [0, inf]]\n%show m --stats");
    let html = output.html.expect("html");
    for part in ["f32 [2, 2]", ">1.5</td>", ">-2.0</td>", ">inf</td>"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    // Colours are the style sheets' affair: nothing that only suits a light or a dark page.
    assert!(!html.contains("style=") && !html.contains("color:#"), "{html}");
    let json = output.facts.expect("facts");
    assert_eq!((&json["dtype"], &json["stats"]["max"], &json["stats"]["inf"]), (&"f32".into(), &1.5.into(), &1.into()));
}
