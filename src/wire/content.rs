//! Contents: `jupyter-protocol`'s types, with what they leave out or ask too much of.

use std::ops::Range;

use jupyter_protocol::{
    DisplayData, ErrorOutput, ExecuteReply, ExecuteResult, ExecutionCount, JupyterMessageContent, Media, MediaType,
    ReplyError, ReplyStatus, Transient, UpdateDisplayData,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Message, PROTOCOL_VERSION, WireError};
use crate::render::{FACTS, Output};
use warpbook_diagnostic::Diagnostic;

/// Reads a request. Fields that the protocol lets a client leave out (or set to null) get their defaults first:
/// `jupyter-protocol` requires them.
pub fn request(message: &Message) -> Result<JupyterMessageContent, WireError> {
    let mut content = message.content.clone();
    if let Some(fields) = content.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
        fill_defaults(&message.header.msg_type, fields);
    }
    JupyterMessageContent::from_type_and_content(&message.header.msg_type, content)
        .map_err(|source| WireError::BadJson { part: "content", source })
}

fn fill_defaults(msg_type: &str, fields: &mut Map<String, Value>) {
    let defaults = match msg_type {
        "execute_request" => {
            let silent = fields.get("silent").and_then(Value::as_bool).unwrap_or(false);
            json!({"silent": false, "store_history": !silent, "user_expressions": {}, "allow_stdin": true,
                   "stop_on_error": true})
        }
        "complete_request" | "inspect_request" => {
            let end = fields.get("code").and_then(Value::as_str).map_or(0, |code| code.chars().count());
            json!({"cursor_pos": end})
        }
        "history_request" => json!({"output": false, "raw": true, "session": 0, "start": 0, "stop": i32::MAX,
                                    "n": i32::MAX, "pattern": "*", "unique": false}),
        "shutdown_request" => json!({"restart": false}),
        "comm_open" | "comm_msg" | "comm_close" => json!({"data": {}}),
        _ => return,
    };
    if let Value::Object(defaults) = defaults {
        for (name, value) in defaults {
            fields.entry(name).or_insert(value);
        }
    }
}

/// A content as JSON. The types here cannot fail to serialise; if one did, the content would be empty.
pub fn to_json(content: &impl Serialize) -> Value {
    serde_json::to_value(content).unwrap_or_else(|_| json!({}))
}

/// The answer to `kernel_info_request`.
pub fn kernel_info() -> Value {
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL_VERSION,
        "implementation": "warpbook",
        "implementation_version": env!("CARGO_PKG_VERSION"),
        "language_info": {
            "name": "rust",
            "version": env!("CARGO_PKG_RUST_VERSION"),
            "mimetype": "text/rust",
            "file_extension": ".rs",
            "pygments_lexer": "rust",
            // Most cells are Python under a magic; Rust's own mode takes `//` in them for a comment.
            "codemirror_mode": "ipython",
        },
        "banner": format!("Warpbook {}: Triton, stage by stage. `%help` lists the magics.", env!("CARGO_PKG_VERSION")),
        "debugger": false,
        "help_links": [{"text": "Triton", "url": "https://triton-lang.org"},
                       {"text": "PTX ISA", "url": "https://docs.nvidia.com/cuda/parallel-thread-execution/"}],
        "supported_features": [],
    })
}

/// An output's MIME bundle.
pub fn media(output: &Output) -> Media {
    let mut forms = vec![MediaType::Plain(output.text.clone())];
    forms.extend(output.html.clone().map(MediaType::Html));
    forms.extend(output.svg.clone().map(MediaType::Svg));
    forms.extend(output.json.clone().map(MediaType::Json));
    forms.extend(output.facts.clone().map(|facts| MediaType::Other((FACTS.to_owned(), facts))));
    Media::new(forms)
}

/// Content of a `display_data` message: an output, which later updates can replace if it has an id.
pub fn display_data(output: &Output, display_id: Option<&str>) -> Value {
    to_json(&DisplayData {
        data: media(output),
        metadata: Map::new(),
        transient: Some(Transient { display_id: display_id.map(str::to_owned) }),
    })
}

/// Content of an `update_display_data` message: replaces what was displayed under the id.
pub fn update_display_data(output: &Output, display_id: &str) -> Value {
    to_json(&UpdateDisplayData::new(media(output), display_id))
}

/// Content of an `execute_result` message: the value of cell number `count`.
pub fn execute_result(output: &Output, count: usize) -> Value {
    to_json(&ExecuteResult {
        execution_count: ExecutionCount(count),
        data: media(output),
        metadata: Map::new(),
        // `None` would be sent as null.
        transient: Some(Transient::default()),
    })
}

/// The three fields of an error: the diagnostic's code, its primary sentence, and all of it in colour.
pub fn error(diagnostic: &Diagnostic) -> ErrorOutput {
    ErrorOutput {
        ename: diagnostic.code.to_owned(),
        evalue: diagnostic.message.clone(),
        traceback: diagnostic.to_notebook().lines().map(str::to_owned).collect(),
    }
}

/// `execute_reply` of a cell that failed.
pub fn execute_error(error: &ErrorOutput, count: usize) -> Value {
    to_json(&ExecuteReply {
        status: ReplyStatus::Error,
        execution_count: ExecutionCount(count),
        user_expressions: Some(Default::default()),
        error: Some(Box::new(ReplyError {
            ename: error.ename.clone(),
            evalue: error.evalue.clone(),
            traceback: error.traceback.clone(),
        })),
        ..ExecuteReply::default()
    })
}

/// `execute_reply` of a cell that did not run because an earlier one failed.
pub fn execute_aborted(count: usize) -> Value {
    to_json(&ExecuteReply {
        status: ReplyStatus::Aborted,
        execution_count: ExecutionCount(count),
        user_expressions: Some(Default::default()),
        ..ExecuteReply::default()
    })
}

/// The byte offset of a cursor that counts code points, clamped to the text.
pub fn byte_offset(text: &str, code_points: usize) -> usize {
    text.char_indices().nth(code_points).map_or(text.len(), |(offset, _)| offset)
}

/// The code points of a byte span, clamped to the text.
pub fn code_points(text: &str, bytes: &Range<usize>) -> Range<usize> {
    let count = |end: usize| text.char_indices().take_while(|&(offset, _)| offset < end).count();
    count(bytes.start)..count(bytes.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Header;

    fn message(msg_type: &str, content: Value) -> Message {
        Message {
            identities: Vec::new(),
            header: Header::new(msg_type, "s"),
            parent_header: json!({}),
            metadata: json!({}),
            content,
            buffers: Vec::new(),
        }
    }

    #[test]
    fn cursors_count_code_points() {
        let text = "a😀é = 1";
        assert_eq!(byte_offset(text, 2), 5);
        assert_eq!(byte_offset(text, 99), text.len());
        assert_eq!(code_points(text, &(5..7)), 2..3);
        assert_eq!(code_points(text, &(0..99)), 0..7);
    }

    #[test]
    fn requests_may_leave_fields_out() {
        let read = |msg_type, content| request(&message(msg_type, content));
        let Ok(JupyterMessageContent::ExecuteRequest(execute)) = read("execute_request", json!({"code": "1"})) else {
            panic!("an execute_request")
        };
        assert!(execute.store_history && execute.stop_on_error && !execute.silent);
        let Ok(JupyterMessageContent::CompleteRequest(complete)) = read("complete_request", json!({"code": "é%"}))
        else {
            panic!("a complete_request")
        };
        assert_eq!(complete.cursor_pos, 2);
        for content in [json!({"hist_access_type": "tail"}), json!({"hist_access_type": "search", "n": null})] {
            assert!(matches!(read("history_request", content), Ok(JupyterMessageContent::HistoryRequest(_))));
        }
        for (msg_type, content) in [
            ("execute_request", json!({})),
            ("execute_request", json!([1])),
            ("execute_request", json!({"code": 7})),
            ("complete_request", json!({"code": "", "cursor_pos": -1})),
            ("history_request", json!({"hist_access_type": "all"})),
        ] {
            assert!(read(msg_type, content).is_err());
        }
    }

    #[test]
    fn no_reply_sends_null_where_an_object_is_due() {
        let output = Output::text("x");
        assert!(execute_result(&output, 1)["transient"].is_object());
        assert!(display_data(&output, None)["transient"].is_object());
        assert!(execute_aborted(1)["user_expressions"].is_object());
    }
}
