//! The inputs of the session with their results, as `history_request` asks for them.

use jupyter_protocol::{HistoryEntry, HistoryRequest};

/// The number that this session has in history entries. There is no other: history is kept in memory.
const SESSION: usize = 1;

struct Line {
    number: usize,
    input: String,
    output: Option<String>,
}

/// All stored inputs, oldest first.
#[derive(Default)]
pub struct History {
    lines: Vec<Line>,
}

impl History {
    /// Remembers a cell under its execution count.
    pub fn store(&mut self, number: usize, input: &str) {
        self.lines.push(Line { number, input: input.to_owned(), output: None });
    }

    /// Adds the last cell's result.
    pub fn store_output(&mut self, output: &str) {
        if let Some(line) = self.lines.last_mut() {
            line.output = Some(output.to_owned());
        }
    }

    /// What a request asks for. Raw and translated input are the same here.
    pub fn answer(&self, request: &HistoryRequest) -> Vec<HistoryEntry> {
        let tail = |lines: Vec<&Line>, n: i32, output: bool| {
            let skip = lines.len().saturating_sub(usize::try_from(n).unwrap_or(0));
            lines.into_iter().skip(skip).map(|line| line.entry(output)).collect()
        };
        match request {
            HistoryRequest::Range { session, start, stop, output, .. } => {
                let session = session.unwrap_or(0);
                if session != 0 && usize::try_from(session) != Ok(SESSION) {
                    return Vec::new();
                }
                let (start, stop) = (i64::from(*start), i64::from(*stop));
                let within = |line: &&Line| i64::try_from(line.number).is_ok_and(|n| n >= start && n < stop);
                self.lines.iter().filter(within).map(|line| line.entry(*output)).collect()
            }
            HistoryRequest::Tail { n, output, .. } => tail(self.lines.iter().collect(), *n, *output),
            HistoryRequest::Search { pattern, unique, output, n, .. } => {
                let pattern: Vec<char> = pattern.chars().collect();
                let mut found: Vec<&Line> = Vec::new();
                for line in &self.lines {
                    let input: Vec<char> = line.input.chars().collect();
                    if glob(&pattern, &input) {
                        if *unique {
                            // The latest of equal inputs counts.
                            found.retain(|earlier| earlier.input != line.input);
                        }
                        found.push(line);
                    }
                }
                tail(found, *n, *output)
            }
        }
    }
}

impl Line {
    fn entry(&self, output: bool) -> HistoryEntry {
        let input = self.input.clone();
        if output {
            HistoryEntry::InputOutput(SESSION, self.number, (input, self.output.clone().unwrap_or_default()))
        } else {
            HistoryEntry::Input(SESSION, self.number, input)
        }
    }
}

/// Matches the whole text, with `*` for any characters and `?` for one, as IPython's history does.
fn glob(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last `*` was, and how far it reached.
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == c => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, reached)) = star else { return false };
                star = Some((at, reached + 1));
                p = at + 1;
                t = reached + 1;
            }
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn ask(history: &History, request: Value) -> Value {
        let mut fields = json!({"output": false, "raw": true, "session": 0, "start": 0, "stop": 99, "n": 99,
                                "pattern": "*", "unique": false});
        for (name, value) in request.as_object().expect("an object") {
            fields[name] = value.clone();
        }
        let request = serde_json::from_value(fields).expect("a request");
        serde_json::to_value(history.answer(&request)).expect("json")
    }

    #[test]
    fn ranges_tails_and_searches() {
        let mut history = History::default();
        for (number, input) in ["%let a = 1", "b", "%let c = 2", "b"].iter().enumerate() {
            history.store(number + 1, input);
        }
        history.store_output("two");
        let range = json!({"hist_access_type": "range", "start": 2, "stop": 4});
        assert_eq!(ask(&history, range), json!([[1, 2, "b"], [1, 3, "%let c = 2"]]));
        assert_eq!(ask(&history, json!({"hist_access_type": "range", "session": 7})), json!([]));
        let tail = json!({"hist_access_type": "tail", "n": 1, "output": true});
        assert_eq!(ask(&history, tail), json!([[1, 4, ["b", "two"]]]));
        let search = json!({"hist_access_type": "search", "pattern": "%let*"});
        assert_eq!(ask(&history, search), json!([[1, 1, "%let a = 1"], [1, 3, "%let c = 2"]]));
        let unique = json!({"hist_access_type": "search", "pattern": "?", "unique": true});
        assert_eq!(ask(&history, unique), json!([[1, 4, "b"]]));
        assert_eq!(ask(&history, json!({"hist_access_type": "tail", "n": -3})), json!([]));
    }

    #[test]
    fn globs_match_the_whole_text() {
        let matches =
            |pattern: &str, text: &str| glob(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
        assert!(matches("*let*1", "%let a = 1"));
        assert!(matches("**", ""));
        assert!(!matches("let", "%let"));
        assert!(!matches("a?", "a"));
        assert!(matches("*ab", "aab"));
    }
}
