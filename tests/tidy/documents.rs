//! Documents tell the truth: what they name exists, and a threat is met by a test.

use regex_lite::Regex;

use crate::source::File;

/// What a document may name in these folders must be there.
const FOLDERS: &str = r"(?:\.ci|benches|etc|examples|fuzz|scripts|src|tests)";

/// Lines, and whether each is prose and not part of a block of code.
fn lines(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut fenced = false;
    text.lines().map(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (line, !fenced && !fence)
    })
}

/// What stands between backticks in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

pub(crate) fn titles(file: &File) -> Vec<String> {
    let titles = lines(&file.text).filter(|(line, prose)| *prose && line.starts_with("# ")).count();
    if titles == 1 { Vec::new() } else { vec![format!("{titles} titles, not one")] }
}

/// Paths that a document names and that are not there.
pub(crate) fn paths(file: &File, tree: &[File]) -> Vec<String> {
    let path =
        Regex::new(&format!(r"^\.?/?({FOLDERS}/[\w./*-]*[\w*])(?:\s|$)")).expect("a pattern");
    let command = Regex::new(&format!(r"(?:^|\s)\.?/?({FOLDERS}/[\w./-]*\w)")).expect("a pattern");
    let mut named = Vec::new();
    let mut language = "";
    for (line, prose) in lines(&file.text) {
        if let Some(opened) = line.strip_prefix("```") {
            language = opened;
        }
        if prose {
            named.extend(quoted(line).filter_map(|text| Some(path.captures(text)?[1].to_owned())));
        } else if language == "sh" {
            named.extend(command.captures_iter(line).map(|found| found[1].to_owned()));
        }
    }
    let exists = |name: &str| {
        // `etc/*.toml` stands for every file that fits.
        let (start, end) = name.split_once('*').unwrap_or((name, ""));
        tree.iter().any(|file| {
            let is_it = file.path == name || file.path.starts_with(&format!("{name}/"));
            is_it
                || (name.contains('*') && file.path.starts_with(start) && file.path.ends_with(end))
        })
    };
    // The corpus of a fuzzer is made by it.
    named.retain(|name| !exists(name) && !name.starts_with("fuzz/corpus"));
    named.into_iter().map(|name| format!("`{name}` does not exist")).collect()
}

/// Rows of the table of threats without a test, and names of tests that are not there.
///
/// The last column, `shown by`, cites `module::name`: a test `name` in a file of that module.
pub(crate) fn proofs(file: &File, tree: &[File]) -> Vec<String> {
    let cited = Regex::new(r"^(?:[a-z0-9_]+::)+([a-z0-9_]+)$").expect("a pattern");
    let mut problems = Vec::new();
    let mut inside = false;
    for (line, _) in lines(&file.text) {
        let is_row = line.starts_with('|');
        let last = line.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default();
        if is_row && last.trim() == "shown by" {
            inside = true;
            continue;
        }
        inside &= is_row;
        if !inside || line.starts_with("| ---") {
            continue;
        }
        let tests: Vec<&str> = quoted(last).filter(|text| cited.is_match(text)).collect();
        let absent = tests.iter().filter(|test| !is_test(test, tree));
        problems.extend(absent.map(|test| format!("the test `{test}` does not exist")));
        if tests.is_empty() {
            problems.push(format!("no test shows it: {line}"));
        }
    }
    problems
}

/// Whether the test is in a file whose path has all the modules that are named.
fn is_test(cited: &str, tree: &[File]) -> bool {
    let Some((modules, name)) = cited.rsplit_once("::") else { return false };
    let function = format!("fn {name}(");
    tree.iter().filter(|file| file.is_rust()).any(|file| {
        let stem = file.path.trim_end_matches(".rs");
        let has = |module: &str| module == "tests" || stem.split('/').any(|part| part == module);
        modules.split("::").all(has) && is_test_in(&file.text, &function)
    })
}

/// Whether the function stands under `#[test]`.
fn is_test_in(text: &str, function: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.windows(2).any(|pair| pair[0] == "#[test]" && pair[1].starts_with(function))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File::new(path, text)
    }

    #[test]
    fn a_second_title_is_found_and_a_comment_in_code_is_none() {
        assert_eq!(titles(&file("A.md", "# One\n\n## Part\n")).len(), 0);
        assert_eq!(titles(&file("A.md", "# One\n# Two\n")).len(), 1);
        assert_eq!(titles(&file("A.md", "no title")).len(), 1);
        assert_eq!(titles(&file("A.md", "# One\n```sh\n# comment\n```\n")).len(), 0);
    }

    #[test]
    fn a_path_that_is_not_there_is_found() {
        let tree = [file("src/a/b.rs", ""), file("scripts/c", ""), file("etc/d.toml", "")];
        for text in [
            "`src/a/b.rs`",
            "`src/a`",
            "`etc/*.toml`",
            "`scripts/c --help`",
            "src/none",
            "`text/plain`",
            "```text\netc/none.toml\n```",
            "```sh\nscripts/c x\n```",
        ] {
            assert_eq!(paths(&file("A.md", text), &tree), Vec::<String>::new(), "{text}");
        }
        for text in ["`src/none.rs`", "`scripts/none`", "```sh\n./scripts/none x\n```"] {
            assert_eq!(paths(&file("A.md", text), &tree).len(), 1, "{text}");
        }
    }

    #[test]
    fn a_threat_without_a_test_is_found() {
        let tests = "#[test]\n    fn it_holds() {\n    }\n    fn helper() {}\n";
        let tree = [file("tests/blackbox/gate.rs", tests), file("src/guard/gate.rs", "")];
        let found = |cell: &str| {
            let table = "| threat | shown by |\n| --- | --- |\n";
            proofs(&file("SECURITY.md", &format!("{table}| a `b` | {cell} |\n")), &tree).len()
        };
        for cell in ["`gate::it_holds`", "`blackbox::gate::it_holds`", "`gate::tests::it_holds`"] {
            assert_eq!(found(cell), 0, "{cell}");
        }
        assert_eq!(found("`gate::it_does_not`"), 1);
        assert_eq!(found("`gate::helper`"), 1);
        assert_eq!(found("`wall::it_holds`"), 1);
        assert_eq!(found("we looked"), 1);
        assert_eq!(found(""), 1);
    }
}
