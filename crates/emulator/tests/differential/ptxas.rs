//! What NVIDIA's assembler says of many instructions at once: it goes on after most errors, and names the line of each.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// An instruction that is no PTX: with it ptxas stops before it makes code, and is fast.
const SENTINEL: &str = "sentinel.of.the.test;";

/// The `ptxas` that the check is compared with.
pub struct Ptxas {
    pub path: PathBuf,
}

/// A text in which each of some lines is looked at alone.
#[derive(Clone)]
pub struct Batch {
    /// The lines of the text.
    pub lines: Vec<String>,
    /// Indices of the lines that are looked at.
    pub looked_at: Vec<usize>,
}

impl Batch {
    /// The text, without some of the lines that are looked at, which stay as empty ones.
    pub fn text(&self, is_gone: impl Fn(usize) -> bool) -> String {
        let line = |(index, line): (usize, &String)| if is_gone(index) { String::new() } else { line.clone() };
        self.lines.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// What a run of ptxas found.
#[derive(Default)]
struct Found {
    /// Lines, from 0, and what is wrong with them.
    errors: Vec<(usize, String)>,
    /// The line at which ptxas gave up.
    fatal: Option<(usize, String)>,
    /// An error at no line of the text: in a macro that an instruction stands for.
    elsewhere: Option<String>,
}

impl Ptxas {
    /// The error of each line that is looked at; `None` where ptxas takes it.
    pub fn errors(&self, batch: &Batch) -> Vec<Option<String>> {
        let mut errors = HashMap::new();
        // First all that the parser finds, then what only the later passes do.
        self.look(batch, &batch.looked_at, false, &mut errors);
        let rest: Vec<usize> = batch.looked_at.iter().copied().filter(|line| !errors.contains_key(line)).collect();
        self.look(batch, &rest, true, &mut errors);
        batch.looked_at.iter().map(|line| errors.remove(line)).collect()
    }

    /// Looks at some of the lines of a batch, without the others.
    fn look(&self, batch: &Batch, lines: &[usize], finishes: bool, errors: &mut HashMap<usize, String>) {
        let others: HashSet<usize> = batch.looked_at.iter().copied().filter(|line| !lines.contains(line)).collect();
        let mut gone: HashSet<usize> = HashSet::new();
        loop {
            let found = self.run(&batch.text(|line| others.contains(&line) || gone.contains(&line)), finishes);
            let open = |line: usize| lines.contains(&line) && !gone.contains(&line);
            // An error of syntax may show in the line behind.
            let fatal = found.fatal.and_then(|(line, error)| Some(((0..=line).rev().find(|line| open(*line))?, error)));
            let found_errors: Vec<(usize, String)> =
                found.errors.into_iter().filter(|(line, _)| open(*line)).chain(fatal.clone()).collect();
            let is_done = fatal.is_none() && (!finishes || found_errors.is_empty());
            for (line, error) in found_errors {
                if finishes {
                    gone.insert(line);
                }
                errors.entry(line).or_insert(error);
            }
            gone.extend(fatal.map(|(line, _)| line));
            if let Some(error) = found.elsewhere.filter(|_| is_done || finishes) {
                let open: Vec<usize> = lines.iter().copied().filter(|line| !errors.contains_key(line)).collect();
                match open.len() {
                    0 => {}
                    1 => drop(errors.entry(open[0]).or_insert(error)),
                    length => {
                        let (first, second) = open.split_at(length / 2);
                        self.look(batch, first, finishes, errors);
                        self.look(batch, second, finishes, errors);
                    }
                }
                return;
            }
            if is_done {
                return;
            }
        }
    }

    /// The error of a whole module.
    pub fn error(&self, text: &str) -> Option<String> {
        let output = self.output(text);
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        (!output.status.success()).then(|| printed.lines().next().unwrap_or("it ended without a word").to_owned())
    }

    fn output(&self, text: &str) -> std::process::Output {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let file = std::env::temp_dir().join(format!("warpbook-ptxas-{}-{number}.ptx", std::process::id()));
        std::fs::write(&file, text).expect("a file in the temporary directory");
        let target = text.lines().find_map(|line| line.trim().strip_prefix(".target ")).unwrap_or("sm_90");
        let target = target.split(',').next().unwrap_or_default().trim();
        // Some texts make it take all memory there is.
        let limited = "ulimit -v 4000000; ulimit -t 5; exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", limited]).arg(&self.path).args(["-O0", "-w", "-arch", target, "-o", "/dev/null"]);
        let output = command.arg(&file).output();
        std::fs::remove_file(&file).expect("the file is there");
        output.expect("ptxas starts")
    }

    fn run(&self, text: &str, finishes: bool) -> Found {
        let text = match text.rfind('}') {
            Some(end) if !finishes => format!("{}{SENTINEL}{}", &text[..end], &text[end..]),
            _ => text.to_owned(),
        };
        let output = self.output(&text);
        let printed = String::from_utf8_lossy(&output.stderr);
        let mut found = Found::default();
        for line in printed.lines().filter(|line| {
            !line.contains("sentinel") && !line.contains("aborted due to") && !line.starts_with("ptxas info")
        }) {
            let parsed = || {
                let (place, rest) = line.split_once(", line ")?;
                let (number, rest) = rest.split_once("; ")?;
                let (severity, message) = rest.split_once(':')?;
                let index = number.parse::<usize>().ok()?.checked_sub(1)?;
                Some((!place.contains("<macro"), index, severity.trim(), message.trim().to_owned()))
            };
            match parsed() {
                Some((_, _, "warning" | "info", _)) => {}
                Some((true, index, "fatal", message)) => found.fatal = Some((index, message)),
                Some((true, index, _, message)) => found.errors.push((index, message)),
                _ => drop(found.elsewhere.get_or_insert(line.to_owned())),
            }
        }
        // It crashes over some texts, without a word.
        let is_whole = if finishes { !found.errors.is_empty() } else { printed.contains("sentinel") };
        if !is_whole && found.fatal.is_none() && !output.status.success() {
            found.elsewhere.get_or_insert_with(|| format!("ptxas ended without a word: {}", output.status));
        }
        found
    }
}
