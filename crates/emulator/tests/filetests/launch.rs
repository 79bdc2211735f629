//! A filetest's launch, on whatever device, and what comes out of it.

use std::sync::Mutex;

use warpbook_device::{Code, Device, Launch};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::cancel::Cancel;

use super::case::{Argument, Case};

/// Launches `text`, a variant of the case's own, and returns lines as the head has them: findings of the checks,
/// changed buffers, printed text; an error line alone if it fails.
pub fn run(case: &Case, text: &str, device: Result<Box<dyn Device>>, is_checked: bool) -> Vec<String> {
    let lines = device.and_then(|mut device| launch(case, text, &mut *device, is_checked));
    lines.unwrap_or_else(|error| vec![error_line(text, &error)])
}

fn launch(case: &Case, text: &str, device: &mut dyn Device, is_checked: bool) -> Result<Vec<String>> {
    let function = device.load(Code::Ptx(text), entry_name(text))?;
    let mut addresses = Vec::new();
    for buffer in &case.buffers {
        let address = device.allocate(&buffer.name, buffer.bytes.len() as u64)?;
        device.write(address, &buffer.bytes)?;
        addresses.push(address);
    }
    let unwritten = case.buffers.iter().zip(&addresses).filter(|(buffer, _)| buffer.is_unwritten);
    device.set_unwritten(unwritten.map(|(buffer, &address)| (address, buffer.bytes.len() as u64)).collect());
    let args = case.arguments.iter().map(|argument| match argument {
        Argument::Buffer(buffer) => addresses[*buffer].to_le_bytes().to_vec(),
        Argument::Scalar(bytes) => bytes.clone(),
    });
    let launch = Launch {
        function,
        grid: case.grid,
        block: case.block,
        cluster: case.cluster,
        shared: case.shared,
        extra_shared: 0,
        args: args.collect(),
        cooperative: false,
        dependent: false,
        seed: 0,
        observe: None,
        check: is_checked,
    };
    let printed = Mutex::new(String::new());
    let report = device.launch(&launch, &Cancel::new(), &|text| printed.lock().expect("no panic").push_str(text))?;
    let findings = report.checked.iter().flat_map(|checked| &checked.findings);
    let mut lines: Vec<String> = findings.map(|finding| error_line(text, finding)).collect();
    for (buffer, address) in case.buffers.iter().zip(addresses) {
        let mut after = vec![0; buffer.bytes.len()];
        device.read(address, &mut after)?;
        if after != buffer.bytes {
            lines.push(format!("expect {} = {}", buffer.name, buffer.element.show(&after)).trim_end().to_owned());
        }
    }
    let printed = printed.into_inner().expect("no panic");
    if !printed.is_empty() {
        lines.push(format!("print {printed:?}"));
    }
    Ok(lines)
}

fn entry_name(text: &str) -> &str {
    let entry = text.split_once(".entry").map_or("", |(_, rest)| rest.trim_start());
    entry.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

fn error_line(text: &str, error: &Diagnostic) -> String {
    let line = error.labels.first().map(|label| text[..label.span.start].matches('\n').count() + 1);
    let place = line.map_or(String::new(), |line| format!(" line {line}"));
    let notes = error.notes.iter().map(|note| format!("; {note}")).collect::<String>();
    let origin = error.origin.as_ref().map(|at| format!("; from {}:{}:{}", at.path, at.line, at.column));
    format!("error {}{place}: {}{notes}{}", error.code, error.message, origin.unwrap_or_default())
}
