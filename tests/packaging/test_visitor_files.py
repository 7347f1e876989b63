"""The files that a visitor of the repository looks for: they are valid, and what they name exists."""

from __future__ import annotations

import ast
import pydoc
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from hatchling.metadata.core import load_toml

from airflow_provider_s3dest import __version__
from hatch_build import LINKS, OwnersLinks
from release_check import refusals

ROOT = Path(__file__).parents[2]
WORKFLOWS = [".github/workflows/release.yml", ".github/workflows/test.yml"]
FORMS = [".github/ISSUE_TEMPLATE/bug.yml", ".github/ISSUE_TEMPLATE/feature.yml"]
FORMS_SETTINGS = ".github/ISSUE_TEMPLATE/config.yml"
PRE_COMMIT = ".pre-commit-config.yaml"
TEXTS = [
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/development.md",
    ".github/PULL_REQUEST_TEMPLATE.md",
]
VISITOR_FILES = [*TEXTS, *WORKFLOWS, *FORMS, FORMS_SETTINGS, PRE_COMMIT, "owner.toml"]


def text_of(file: str) -> str:
    """Return the text of a file of the repository."""
    return (ROOT / file).read_text(encoding="utf-8")


def yaml_of(file: str) -> dict[Any, Any]:
    """Return the content of a YAML file of the repository."""
    content = yaml.safe_load(text_of(file))
    assert isinstance(content, dict)
    return content


def matrix_of_makefile() -> list[str]:
    """Return the pairs of Airflow and Python."""
    [pairs] = re.findall(r"^MATRIX := (.*)$", text_of("Makefile"), re.MULTILINE)
    return str(pairs).split()


def targets_of_makefile() -> set[str]:
    """Return all that ``make`` can make by name."""
    named = re.findall(r"^([a-z][a-z0-9-]*):(?!=)", text_of("Makefile"), re.MULTILINE)
    return {*named, *(f"test-on-{pair}" for pair in matrix_of_makefile())}


def commands_of_workflow(file: str) -> list[str]:
    """Return what the steps run, once for each combination of the job's matrix."""
    found = []
    for job in yaml_of(file)["jobs"].values():
        for combination in job.get("strategy", {}).get("matrix", {}).get("include", [{}]):
            for step in job["steps"]:
                command = step.get("run", "")
                for key, value in combination.items():
                    command = command.replace(f"${{{{ matrix.{key} }}}}", value)
                found += command.splitlines()
    return found


class TestSchemas:
    """The schemas are those that check-jsonschema ships; it ships none for pre-commit."""

    @pytest.mark.parametrize(
        ("schema", "file"),
        [
            *(("vendor.github-workflows", file) for file in WORKFLOWS),
            *(("custom.github-workflows-require-timeout", file) for file in WORKFLOWS),
            *(("vendor.github-issue-forms", file) for file in FORMS),
            ("vendor.github-issue-config", FORMS_SETTINGS),
        ],
    )
    def test_hold(self, schema: str, file: str) -> None:
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(ROOT / file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stdout + done.stderr

    def test_every_workflow_and_form_is_held(self) -> None:
        assert sorted(str(file.relative_to(ROOT)) for file in (ROOT / ".github").rglob("*.yml")) == sorted(
            [*WORKFLOWS, *FORMS, FORMS_SETTINGS]
        )

    @pytest.mark.parametrize("file", FORMS)
    def test_a_form_has_no_two_fields_of_one_id_or_label(self, file: str) -> None:
        fields = [field for field in yaml_of(file)["body"] if field["type"] != "markdown"]

        for names in ([field["id"] for field in fields], [field["attributes"]["label"] for field in fields]):
            assert len(names) == len(set(names))


class TestPreCommit:
    hooks = tuple(hook for repository in yaml_of(PRE_COMMIT)["repos"] for hook in repository["hooks"])

    def test_takes_no_hook_from_another_repository(self) -> None:
        assert [repository["repo"] for repository in yaml_of(PRE_COMMIT)["repos"]] == ["local"]

    def test_has_the_keys_that_pre_commit_knows(self) -> None:
        known = {"id", "name", "entry", "language", "types_or", "files", "exclude", "require_serial", "pass_filenames"}

        assert set(yaml_of(PRE_COMMIT)) == {"minimum_pre_commit_version", "repos"}
        for hook in self.hooks:
            assert {"id", "name", "entry", "language"} <= set(hook) <= known
            assert hook["language"] == "system"
        assert len({hook["id"] for hook in self.hooks}) == len(self.hooks)

    def test_runs_tools_of_the_environment_and_files_that_exist(self) -> None:
        pinned = re.findall(r"^([\w.-]+)==", text_of("requirements/airflow-3.3.txt"), re.MULTILINE)
        for hook in self.hooks:
            tool, *arguments = hook["entry"].split()
            assert tool.removeprefix(".venv/bin/") in {*pinned, "python"}
            assert [path for path in arguments if "/" in path and not (ROOT / path).exists()] == []

    def test_runs_the_checks_of_make_lint(self) -> None:
        [recipe] = re.findall(r"^lint: .*\n((?:\t.*\n)+)", text_of("Makefile"), re.MULTILINE)
        tools = [
            tuple(word for word in line.split() if word != "--check")
            for line in re.findall(r"\$\(VENV\)/bin/(.*) \$\(CHECKED\)", recipe)
        ]

        entries = [
            tuple(word for word in hook["entry"].removeprefix(".venv/bin/").split() if word != "--force-exclude")
            for hook in self.hooks
        ]
        assert entries[: len(tools)] == tools

    def test_looks_at_files_that_exist(self) -> None:
        folders = (ROOT / "airflow_provider_s3dest", ROOT / "docs")
        files = [str(file.relative_to(ROOT)) for folder in folders for file in folder.rglob("*.py")]
        for pattern in (hook[key] for hook in self.hooks for key in ("files", "exclude") if key in hook):
            assert any(re.search(pattern, file) for file in files), pattern


class TestWorkflows:
    @pytest.mark.parametrize("file", WORKFLOWS)
    def test_may_do_nothing_but_read_and_run_one_at_a_time(self, file: str) -> None:
        workflow = yaml_of(file)

        assert workflow["permissions"] == {"contents": "read"}
        assert workflow["concurrency"]["group"]

    def test_only_the_job_that_publishes_may_ask_for_an_identity_and_it_runs_no_code_of_the_project(self) -> None:
        jobs = {name: job for file in WORKFLOWS for name, job in yaml_of(file)["jobs"].items()}
        publish = jobs.pop("publish")

        assert publish["permissions"] == {"id-token": "write"}
        assert publish["environment"] == "pypi"
        assert publish["needs"] == "build"
        assert all("uses" in step and "checkout" not in step["uses"] for step in publish["steps"])
        assert all("permissions" not in job for job in jobs.values())

    @pytest.mark.parametrize("file", WORKFLOWS)
    def test_take_actions_of_known_owners_at_a_major_version(self, file: str) -> None:
        used = [step["uses"] for job in yaml_of(file)["jobs"].values() for step in job["steps"] if "uses" in step]

        assert used
        for action in used:
            assert re.fullmatch(r"actions/[\w-]+@v\d+|pypa/gh-action-pypi-publish@release/v\d+", action), action

    def test_test_every_pair_of_the_makefile(self) -> None:
        run = commands_of_workflow(".github/workflows/test.yml")

        tested = [one.removeprefix("make test-on-") for one in run if one.startswith("make")]
        assert tested == matrix_of_makefile()

    def test_set_up_the_python_of_each_pair(self) -> None:
        steps = yaml_of(".github/workflows/test.yml")["jobs"]["matrix"]["steps"]

        [set_up] = [step for step in steps if step.get("uses", "").startswith("actions/setup-python@")]
        assert set_up["with"] == {"python-version": "${{ matrix.python }}"}

    def test_run_what_ci_runs_and_what_a_release_needs(self) -> None:
        assert ".ci/run" in commands_of_workflow(".github/workflows/test.yml")
        assert "make release" in commands_of_workflow(".github/workflows/release.yml")


class TestNames:
    """What a visitor file names is there."""

    @pytest.mark.parametrize("file", VISITOR_FILES)
    def test_make_targets_exist(self, file: str) -> None:
        named = set(re.findall(r"`make ([^\s`]+)|^make (\S+)", text_of(file), re.MULTILINE))
        if file in WORKFLOWS:
            named |= {("", one.split()[1]) for one in commands_of_workflow(file) if one.startswith("make ")}

        missing = {first or second for first, second in named} - targets_of_makefile()
        assert missing == set()

    def test_the_texts_name_make_targets(self) -> None:
        assert len(re.findall(r"`make [a-z]", text_of("CONTRIBUTING.md"))) > 10

    def test_contributing_lists_every_target_that_make_lists(self) -> None:
        listed = set(re.findall(r"^([a-z0-9-]+):.*## ", text_of("Makefile"), re.MULTILINE)) - {"help"}

        assert listed <= set(re.findall(r"^\| `make ([a-z0-9-]+)` \|", text_of("CONTRIBUTING.md"), re.MULTILINE))

    @pytest.mark.parametrize("file", VISITOR_FILES)
    def test_links_lead_to_files_and_headings_that_exist(self, file: str) -> None:
        for target, heading in re.findall(r"\]\((?!https?:)([^)#]+)(?:#([^)]+))?\)", text_of(file)):
            path = (ROOT / file).parent / target
            assert path.exists(), target
            if heading:
                slugs = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
                assert heading in [re.sub(r"[^\w -]", "", slug.lower()).replace(" ", "-") for slug in slugs]

    @pytest.mark.parametrize("file", [one for one in VISITOR_FILES if not one.startswith("docs/")])
    def test_files_and_folders_exist(self, file: str) -> None:
        text = re.sub(r"https?://\S+|\[[^\]]*\]\([^)]*\)|^```.*$", "", text_of(file), flags=re.MULTILINE)
        named = set(re.findall(r"[\w./*-]*[\w*]\.(?:md|toml|ya?ml|py|txt|json)\b", text))
        words = {word for span in re.findall(r"`([^`]+)`", text) for word in span.split()}
        named |= {word.rpartition("=")[2] for word in words if re.fullmatch(r"[\w=.*-]+(/[\w.*-]+)+/?", word)}
        if file in WORKFLOWS:
            named |= {one for one in commands_of_workflow(file) if "/" in one}

        made = (".venv/", "build/")  # they are there once something has been made
        missing = [name for name in named if not name.startswith(made) and not list(ROOT.glob(name))]
        assert missing == []


class TestOwner:
    """What only the owner knows stands in ``owner.toml`` and nowhere else."""

    def test_has_keys_for_all_that_the_files_refer_to(self) -> None:
        owner = load_toml(str(ROOT / "owner.toml"))

        assert {*LINKS, "security_contact", "conduct_contact", "maintainers"} == set(owner)
        assert isinstance(owner.pop("maintainers"), list)
        assert all(isinstance(value, str) for value in owner.values())
        referred = {name for file in TEXTS for name in re.findall(r"`(\w+_contact)`", text_of(file))}
        assert referred == {"security_contact", "conduct_contact"}

    @pytest.mark.parametrize("file", [one for one in VISITOR_FILES if one != "owner.toml"])
    def test_no_other_file_has_an_address_but_of_standards_and_tools(self, file: str) -> None:
        hosts = set(re.findall(r"https?://([^/\s)]+)", text_of(file)))

        assert hosts <= {"keepachangelog.com", "semver.org", "www.contributor-covenant.org", "pre-commit.com"}
        assert not re.search(r"github\.com|[\w.+-]+@[\w-]+\.[a-z]+", text_of(file))

    def test_gives_the_package_the_links_that_are_known(self, tmp_path: Path) -> None:
        (tmp_path / "owner.toml").write_text('repository = "https://example.org/source"\ndocumentation = ""\n')
        metadata: dict[str, Any] = {}

        OwnersLinks(str(tmp_path), {}).update(metadata)

        assert metadata == {"urls": {"Repository": "https://example.org/source"}}


OWNER: dict[str, object] = {"repository": "https://example.org", "maintainers": ["A Name"]}


class TestRelease:
    changelog = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-02\n"

    def test_is_let_through_where_all_is_known(self) -> None:
        assert refusals(OWNER, self.changelog, "1.2.3", "") == []
        assert refusals(OWNER, self.changelog, "1.2.3", "v1.2.3") == []

    def test_is_refused_by_the_names_of_the_empty_keys(self) -> None:
        [refusal] = refusals({**OWNER, "conduct_contact": "", "maintainers": []}, self.changelog, "1.2.3", "")

        assert "owner.toml: these keys are empty: maintainers, conduct_contact." in refusal

    @pytest.mark.parametrize("version", ["1.2.4", "1.2", "1.2.30"])
    def test_is_refused_without_a_heading_of_the_changelog(self, version: str) -> None:
        [refusal] = refusals(OWNER, self.changelog, version, "")

        assert f"version {version} has no heading" in refusal

    def test_is_refused_by_a_tag_of_another_version(self) -> None:
        [refusal] = refusals(OWNER, self.changelog, "1.2.3", "v1.2.4")

        assert "The tag v1.2.4 does not fit version 1.2.3" in refusal

    def test_make_release_asks_before_it_builds(self) -> None:
        [recipe] = re.findall(r"^release: .*\n((?:\t.*\n)+)", text_of("Makefile"), re.MULTILINE)

        assert recipe.splitlines()[0] == "\t@$(VENV_RELEASE)/bin/python release_check.py"
        order = [recipe.index(step) for step in (" build ", "twine check --strict", "pip install", "SMOKE_TEST")]
        assert order == sorted(order)


class TestChangelog:
    text = text_of("CHANGELOG.md")
    loggers = tuple(
        re.findall(
            r"^  \| `(airflow_provider_s3dest\.\S+)` \| `(airflow_provider_s3dest\.\S+)` \|$", text, re.MULTILINE
        )
    )

    def test_has_the_headings_of_keep_a_changelog(self) -> None:
        first, unreleased, *versions = re.findall(r"^##? (.*)$", self.text, re.MULTILINE)

        assert "https://keepachangelog.com/en/1.1.0/" in self.text
        assert (first, unreleased) == ("Changelog", "[Unreleased]")
        assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", version) for version in versions)
        dates = [version[-10:] for version in versions]
        assert dates == sorted(dates, reverse=True)
        kinds = set(re.findall(r"^###+ (.*)$", self.text, re.MULTILINE))
        assert kinds <= {"Added", "Breaking", "Changed", "Deprecated", "Removed", "Fixed", "Security"}

    def test_has_a_heading_for_the_version_or_says_that_none_is_released(self) -> None:
        assert (f"## [{__version__}] - " in self.text) != (
            f"No version is released yet; {__version__} will be the first." in self.text
        )

    def test_names_imports_that_work(self) -> None:
        [same] = re.findall(r"These imports stay as they are:(.*?)\. ", self.text, re.DOTALL)
        public = re.findall(r"`([^`]+)`", same)
        [(classes, module)] = re.findall(r"^- (`S3.*?) moved from\s+`[^`]+`\s+to\s+`([^`]+)`", self.text, re.MULTILINE)
        public += [f"{module}.{name}" for name in re.findall(r"`(\w+)`", classes)]

        assert len(public) == 8
        assert [name for name in public if pydoc.locate(name) is None] == []

    def test_names_loggers_that_moved(self) -> None:
        assert len(self.loggers) == len(re.findall(r"^  \| `", self.text, re.MULTILINE)) > 5

    @pytest.mark.parametrize(("old", "new"), loggers)
    def test_a_logger_that_moved_is_there_by_its_new_name_only(self, old: str, new: str) -> None:
        assert has_logger(new)
        assert not has_logger(old)


def has_logger(module: str) -> bool:
    """Tell whether a module exists and has a logger of its own name."""
    base = ROOT / module.replace(".", "/")
    file = next((one for one in (base.with_suffix(".py"), base / "__init__.py") if one.exists()), None)
    return file is not None and any(
        isinstance(node, ast.Assign) and ast.unparse(node) == "log = safe_logger(__name__)"
        for node in ast.parse(file.read_text(encoding="utf-8")).body
    )


def test_the_sdist_holds_the_files_at_the_root_and_gives_the_same_wheel(tmp_path: Path) -> None:
    [built] = SdistBuilder(str(ROOT)).build(directory=str(tmp_path / "dist"), versions=["standard"])
    with tarfile.open(built) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = tmp_path / Path(built).name.removesuffix(".tar.gz")

    at_the_root = [file for file in VISITOR_FILES if "/" not in file and not file.startswith(".")]
    missing = [file for file in (*at_the_root, "hatch_build.py", "release_check.py") if not (unpacked / file).exists()]
    assert missing == []
    [wheel] = WheelBuilder(str(unpacked)).build(directory=str(tmp_path / "dist"), versions=["standard"])
    assert Path(wheel).name == f"airflow_provider_s3dest-{__version__}-py3-none-any.whl"
