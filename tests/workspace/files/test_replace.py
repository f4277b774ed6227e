"""What a killed process was writing in a task's directory."""

from pathlib import Path

from agentbatch.workspace.files.replace import remove_unfinished

OURS = ".agentbatch-0123456789abcdef"


def test_only_ours_go_and_links_are_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "sub").mkdir(parents=True)
    (root / ".git").mkdir()
    outside.mkdir()
    kept = [
        root / "a.txt", root / ".agentbatch-short", root / f"{OURS}x", root / ".git" / OURS, outside / OURS,
    ]  # fmt: skip
    for path in (*kept, root / OURS, root / "sub" / OURS):
        path.write_text("x")
    (root / "link").symlink_to(outside)
    assert remove_unfinished(root) == [OURS, f"sub/{OURS}"]
    assert all(path.exists() for path in kept)
    assert remove_unfinished(root) == []
