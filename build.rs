//! Makes sure that there is a web client to embed.
//!
//! `make build` builds the real one into `web/dist`. Where it was not built, a readable page takes
//! its place, so that `cargo check` works alone and nobody meets an empty screen.

use std::path::Path;

const PAGE: &str = "<!doctype html>
<html lang=\"zh-CN\">
<meta charset=\"utf-8\">
<title>专递 zhuandi</title>
<h1>网页端尚未构建</h1>
<p>服务器已经运行，但其中没有网页。请运行 <code>make build</code>，再启动服务器。</p>
<h1 lang=\"en\">The web client was not built</h1>
<p lang=\"en\">The server runs, but has no pages inside. Run <code>make build</code> and start it again.</p>
</html>
";

fn main() {
    let dist = Path::new("web/dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=web/dist");
    if dist.join("index.html").exists() || dist.join("teach.html").exists() {
        return;
    }
    std::fs::create_dir_all(dist).expect("web/dist can be made in a source tree");
    std::fs::write(dist.join("index.html"), PAGE).expect("web/dist can be written");
}
