//! `task-api licenses`: prints the licence of the program and the notices of the software inside the binary.
//!
//! Most licences require their text to go with every copy, also with a copy of the binary alone, such as the
//! container image. Therefore the texts are part of the binary.

use super::terminal::print_text;

/// The parts of the output in their order: a heading, and the text below it.
const PARTS: &[(&str, &str)] = &[
    (
        "Task API is licensed under the MIT licence or the Apache License 2.0, at your option.\n\
         The MIT licence:",
        include_str!("../../LICENSE-MIT"),
    ),
    (
        "The Apache License 2.0:",
        include_str!("../../LICENSE-APACHE"),
    ),
    (
        "The binary contains software of other authors under the licences below.\n\
         Rust crates, for all systems that Task API is built for:",
        include_str!("../../licenses/crates.txt"),
    ),
    #[cfg(feature = "docs")]
    (
        "Swagger UI and the npm packages in it:",
        include_str!("../../licenses/swagger-ui.txt"),
    ),
    (
        "Other software:",
        include_str!("../../licenses/other-software.txt"),
    ),
];

/// Prints all parts.
pub fn run() -> Result<(), String> {
    let rule = "=".repeat(80);
    let text: String = PARTS
        .iter()
        .map(|(heading, text)| format!("{rule}\n{heading}\n{rule}\n\n{}\n\n", text.trim_end()))
        .collect();
    print_text(&text)
}
