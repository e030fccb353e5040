//! How large things may grow.

use crate::source::{File, before_tests};

const FILE_LINES: usize = 500;
/// A file of tests is a list, and is read as one.
const TEST_FILE_LINES: usize = 900;
const FUNCTION_LINES: usize = 70;
const LINE_CHARACTERS: usize = 100;

pub(crate) fn lines(file: &File) -> Vec<String> {
    let (lines, most) = if file.is_test() {
        (file.text.lines().count(), TEST_FILE_LINES)
    } else {
        (before_tests(&file.text).lines().count(), FILE_LINES)
    };
    if lines > most { vec![format!("{lines} lines, more than {most}")] } else { Vec::new() }
}

/// Functions over the limit, told by the form that rustfmt gives them.
pub(crate) fn functions(file: &File) -> Vec<String> {
    let lines: Vec<&str> = file.code().lines().collect();
    let mut problems = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let words = line.trim_start();
        let Some(name) = words.split_once("fn ").filter(|(before, _)| is_qualifiers(before)) else {
            continue;
        };
        let opening = lines[start..].iter().find(|line| line.ends_with([';', '{', '}']));
        if !opening.is_some_and(|line| line.ends_with('{')) {
            continue;
        }
        let end = format!("{}}}", " ".repeat(line.len() - words.len()));
        let length = lines[start..].iter().position(|line| line.trim_end() == end).unwrap_or(0) + 1;
        if length > FUNCTION_LINES {
            let name = name.1.split(['(', '<']).next().unwrap_or_default();
            problems.push(format!("`{name}` has {length} lines, more than {FUNCTION_LINES}"));
        }
    }
    problems
}

/// Whether only words like `pub const` stand here.
fn is_qualifiers(text: &str) -> bool {
    text.split_whitespace().all(|word| {
        word.starts_with("pub") || ["const", "unsafe", "async", "extern"].contains(&word)
    })
}

pub(crate) fn widths(file: &File) -> Vec<String> {
    let long = |(at, line): (usize, &str)| {
        let width = line.chars().count();
        let problem = format!("line {} has {width} characters, not {LINE_CHARACTERS}", at + 1);
        (width > LINE_CHARACTERS).then_some(problem)
    };
    file.text.lines().enumerate().filter_map(long).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: String) -> File {
        File::new(path, &text)
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        assert_eq!(lines(&file("src/a.rs", "a\n".repeat(501))).len(), 1);
        assert_eq!(lines(&file("src/a.rs", "a\n".repeat(500))).len(), 0);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "b\n".repeat(600));
        assert_eq!(lines(&file("src/a.rs", tests)).len(), 0);
        assert_eq!(lines(&file("src/a/tests.rs", "a\n".repeat(901))).len(), 1);
    }

    #[test]
    fn a_long_function_is_found_wherever_it_stands() {
        let function = |lines: usize| {
            format!(
                "impl A {{\n    pub(super) fn b() {{\n{}    }}\n}}\n",
                "        c();\n".repeat(lines)
            )
        };
        assert_eq!(functions(&file("src/a.rs", function(69))).len(), 1);
        assert_eq!(functions(&file("src/a.rs", function(68))).len(), 0);
        assert_eq!(functions(&file("src/a.rs", "trait A {\n    fn b();\n}\n".into())).len(), 0);
    }

    #[test]
    fn a_long_line_is_found() {
        assert_eq!(widths(&file("a.rs", "é".repeat(101))).len(), 1);
        assert_eq!(widths(&file("a.rs", "é".repeat(100))).len(), 0);
    }
}
