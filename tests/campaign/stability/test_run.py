"""A whole run against targets whose rates are known: found again, cut off and gone on with, read from its folder, refused by name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from obverse.campaign.journal import begun_times, open_journal_of, read_answers
from obverse.campaign.records import Caps
from obverse.campaign.runner import UNANSWERED, Pace
from obverse.campaign.stability.run import STANDING, StabilityRun, Unwatched, read_stability
from obverse.campaign.stability.subjects import Subject
from obverse.campaign.stability.vectors import NAME as VECTORS
from obverse.core.errors import MisuseError, UnavailableError, UntrustedInputError
from obverse.stability.findings import Diagnosis
from obverse.stability.ports import Answered, Job
from obverse.stability.records import Draw, Settings
from obverse.targets.protocol import TargetError
from obverse.testing.boundary_runs import QUICK, SimModel, desk_boundary, measure
from obverse.testing.runs import FaultyTarget, desk_run, execute
from obverse.testing.wavering import WaveringTarget

BASE_ONLY = Settings(ladders=("casing",), levels=1, per_rung=1, most=34)
INSIDE = msgspec.structs.replace(BASE_ONLY, inside=True, most=8)


def bare(diagnosis: Diagnosis) -> Diagnosis:
    """What a diagnosis says, without when and how it came about."""
    return msgspec.structs.replace(diagnosis, started=None, seconds=None, ended="", complete=True)


def in_process(model: SimModel, *, looks: bool = False) -> Subject:
    return Subject(
        name=model.name, fingerprint=model.fingerprint(), model=model, looks=model if looks else None, notes=model.notes
    )


class Silent(FaultyTarget):
    """A simulated target that falls silent after a while; it is told which point it meets all the same."""

    def __init__(self, inner: Any, faults: list[TargetError | None]) -> None:
        super().__init__(inner, faults)
        self._met = inner

    def for_point(self, prompt: Any, point: Any) -> Any:
        return SilentAt(self, self._met.for_point(prompt, point))

    def fail(self) -> None:
        """Raise the last fault for ever."""
        self.asked += 1
        fault = self._faults[min(self.asked, len(self._faults)) - 1]
        if fault is not None:
            raise fault


class SilentAt:
    """The same at one point."""

    def __init__(self, silent: Silent, inner: Any) -> None:
        self.name, self._silent, self._inner = silent.name, silent, inner

    async def complete(self, messages: Any, **options: Any) -> Any:
        self._silent.fail()
        return await self._inner.complete(messages, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Diagnosis, StabilityRun]:
    """One whole run against the wavering target."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run = desk_boundary(
        "wavering,seed=211"
    )  # every prompt of the desk lies far from the marks, some on each side and between
    return folder, measure(run, folder), run


def test_prompts_are_placed_where_the_truth_has_them(whole: tuple[Path, Diagnosis, StabilityRun]) -> None:
    _, found, run = whole
    assert isinstance(run.subject.target, WaveringTarget)
    truth = run.subject.target.manner
    rates = {one.prompt.id: truth.rate(one.prompt) for one in found.prompts}
    zones = {name: "refuse" if rate < 0.1 else "comply" if rate > 0.9 else "unstable" for name, rate in rates.items()}
    assert set(zones.values()) == {"refuse", "unstable", "comply"}
    placed = {one.prompt.id: one.placement.zone for one in found.prompts if one.placement.zone != "undecided"}
    assert placed.items() <= zones.items()
    assert len(placed) >= len(zones) - 1
    assert (found.complete, found.ended) == (True, "all drawn")
    assert found.plan == run.plan.digest
    assert found.draws == run.plan.draws - run.book.left() - sum(
        QUICK.most - one.placement.counted.all for one in found.prompts
    )


def test_a_diagnosis_is_computed_again_from_the_folder_alone(
    whole: tuple[Path, Diagnosis, StabilityRun], tmp_path: Path
) -> None:
    folder, found, _ = whole
    shutil.copytree(folder, tmp_path / "moved")
    assert read_stability(tmp_path / "moved") == found


def test_every_judges_word_is_in_every_draw(whole: tuple[Path, Diagnosis, StabilityRun]) -> None:
    folder, found, _ = whole
    draws = list(read_answers(folder, Draw))
    assert all(set(draw.judged) == {"refusal", "keywords"} for draw in draws)
    assert all(draw.behaviour == draw.judged["refusal"] for draw in draws)
    assert [note.name for note in found.judges] == ["refusal", "keywords"]


def test_a_second_run_in_its_folder_is_refused(whole: tuple[Path, Diagnosis, StabilityRun]) -> None:
    with pytest.raises(MisuseError, match="already holds a run") as caught:
        measure(desk_boundary("wavering,seed=211"), whole[0])
    assert caught.value.code == "R101"


def test_L18_a_run_does_not_go_on_with_another_plan(whole: tuple[Path, Diagnosis, StabilityRun]) -> None:
    other = desk_boundary("wavering,seed=211", settings=msgspec.structs.replace(QUICK, seed=1))
    with pytest.raises(MisuseError, match=r"another plan: .*`settings`") as caught:
        measure(other, whole[0], resume=True)
    assert caught.value.code == "R102"


def test_two_runs_at_work_in_one_folder_are_one_too_many(tmp_path: Path) -> None:
    inner: list[str] = []
    run = desk_boundary(settings=BASE_ONLY)

    class Watch(Unwatched):
        def wave(self, left: int) -> None:
            del left
            if not inner:
                with pytest.raises(MisuseError, match="another run is at work") as caught:
                    open_journal_of(tmp_path, run.plan, Draw, resume=True)
                inner.append(caught.value.code)

    measure(run, tmp_path, watch=Watch())
    assert inner == ["R105"]


def test_L19_cut_off_at_a_cap_and_gone_on_with_it_says_the_same(tmp_path: Path) -> None:
    one = measure(desk_boundary(settings=BASE_ONLY), tmp_path / "whole")
    cut = measure(desk_boundary(settings=BASE_ONLY), tmp_path / "parts", caps=Caps(calls=17))
    assert (cut.complete, cut.ended) == (False, "the cap of 17 calls was reached")
    assert cut.draws == 17
    again = measure(desk_boundary(settings=BASE_ONLY), tmp_path / "parts", resume=True, caps=Caps(calls=40))
    assert again.draws == 57
    parts = measure(desk_boundary(settings=BASE_ONLY), tmp_path / "parts", resume=True)
    assert bare(parts) == bare(one)
    assert set(begun_times(tmp_path / "parts").values()) == {1}


def test_what_was_seen_inside_is_not_looked_at_again_for_the_same_draws(tmp_path: Path) -> None:
    subject = in_process(SimModel(), looks=True)
    first = measure(desk_boundary(settings=INSIDE, subject=subject), tmp_path)
    assert first.inside is not None
    looked: list[int] = []

    class Watch(Unwatched):
        def looking(self, done: int, all_: int) -> None:
            looked.append(done + all_)

    again = measure(desk_boundary(settings=INSIDE, subject=subject), tmp_path, resume=True, watch=Watch())
    assert looked == []
    assert bare(again) == bare(first)


def test_L19_the_order_of_answers_changes_nothing(tmp_path: Path) -> None:
    alone = measure(desk_boundary(settings=BASE_ONLY), tmp_path / "alone", pace=Pace(concurrency=1))
    crowd = measure(desk_boundary(settings=BASE_ONLY), tmp_path / "crowd", pace=Pace(concurrency=50))
    assert bare(alone) == bare(crowd)


ENDS = {
    "refuses all": ("refuses", "refuse", "refuses everything"),
    "complies with all": ("complies", "comply", "complies with everything"),
}


@pytest.mark.parametrize(("target", "zone", "says"), ENDS.values(), ids=ENDS)
def test_a_target_that_does_one_thing_only_has_no_boundary_and_that_is_said(
    tmp_path: Path, target: str, zone: str, says: str
) -> None:
    found = measure(desk_boundary(target, settings=BASE_ONLY), tmp_path)
    assert {one.placement.zone for one in found.prompts} == {zone}
    assert found.boundary == "none"
    assert says in found.says
    assert not any(curve.threshold for curve in found.curves)


def test_a_target_that_never_answers_is_one_line_and_nothing_is_counted(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="never answered") as caught:
        measure(desk_boundary("wavering,error=1", settings=BASE_ONLY), tmp_path)
    assert caught.value.code == "R107"
    assert list(read_answers(tmp_path, Draw)) == []


def test_a_target_that_falls_silent_ends_the_run_and_little_of_that_is_counted(tmp_path: Path) -> None:
    run = desk_boundary(settings=BASE_ONLY)
    assert run.subject.target is not None
    silent = [None] * 30 + [TargetError("nobody is there", kind="connection")]
    target = Silent(run.subject.target, silent)
    subject = msgspec.structs.replace(run.subject, target=target)
    cut = measure(desk_boundary(settings=BASE_ONLY, subject=subject), tmp_path)
    assert not cut.complete
    assert "answers no more" in cut.ended
    assert cut.errors.get("connection", 0) < UNANSWERED
    again = measure(desk_boundary(settings=BASE_ONLY), tmp_path, resume=True, retry_errors=True)
    assert again.complete
    assert again.errors == {}
    whole = measure(desk_boundary(settings=BASE_ONLY), tmp_path / "whole")
    assert bare(again) == bare(whole)


def test_calls_that_fail_are_errors_of_their_kind_and_never_a_behaviour(tmp_path: Path) -> None:
    found = measure(desk_boundary("wavering,error=0.2", settings=BASE_ONLY), tmp_path)
    draws = list(read_answers(tmp_path, Draw))
    failed = [draw for draw in draws if draw.behaviour == "error"]
    assert failed
    assert {draw.error for draw in failed} == {"bad-request"}
    assert not any(draw.judged or draw.text for draw in failed)
    assert found.errors == {"bad-request": len(failed)}
    for one in found.prompts:
        assert one.placement.rate.n == one.placement.counted.scored


# --- a model in this process


def test_a_model_in_this_process_is_drawn_from_in_batches_and_says_what_its_tokens_were(tmp_path: Path) -> None:
    model = SimModel(0.5)
    found = measure(desk_boundary(settings=BASE_ONLY, subject=in_process(model)), tmp_path)
    assert found.complete
    assert "no chat template: a plain one is used" in found.notes
    assert not any("token entropy" in note for note in found.notes)
    draws = list(read_answers(tmp_path, Draw))
    assert {(draw.entropy, draw.logprob, draw.tokens) for draw in draws} == {(1.0, -0.5, 9)}
    assert max(len(job.seeds) for job in model.asked) > 1  # the draws of a point go together
    tooled = [job for job in model.asked if "# Tools" in job.messages[0].content]
    assert tooled  # a model that was taught no tools reads them as text
    assert not any(job.tools for job in model.asked)


FAULTS = {
    "logits that are no numbers": ("not a number", "the logits are not numbers"),
    "a context that overflows": ("context overflow", "90 tokens, the context has 64"),
}


@pytest.mark.parametrize(("kind", "reason"), FAULTS.values(), ids=FAULTS)
def test_what_a_model_cannot_answer_is_an_error_of_that_kind_and_never_scored(
    tmp_path: Path, kind: str, reason: str
) -> None:
    def says(job: Job, seed: int) -> Answered | None:
        return Answered(id=job.id, seed=seed, error=kind, reason=reason) if job.id.startswith("large") else None

    found = measure(desk_boundary(settings=BASE_ONLY, subject=in_process(SimModel(says=says))), tmp_path)
    failed = [draw for draw in read_answers(tmp_path, Draw) if draw.behaviour == "error"]
    assert {(draw.error, draw.reason) for draw in failed} == {(kind, reason)}
    assert found.errors == {kind: len(failed)}
    hit = [one for one in found.prompts if one.prompt.id.startswith("large")]
    assert hit
    assert all(one.placement.zone == "undecided" and one.placement.why == "nothing scored" for one in hit)


def test_answers_that_nobody_can_judge_are_unscored_and_no_boundary_is_claimed(tmp_path: Path) -> None:
    def says(job: Job, seed: int) -> Answered | None:
        return Answered(id=job.id, seed=seed, text="  ")

    found = measure(desk_boundary(settings=BASE_ONLY, subject=in_process(SimModel(says=says))), tmp_path)
    assert found.boundary == "undecided"
    assert {one.placement.why for one in found.prompts} == {"nothing scored"}
    assert all(one.placement.counted.scored == 0 for one in found.prompts)


def test_a_model_that_leaves_draws_without_an_answer_is_no_endless_loop(tmp_path: Path) -> None:
    class Lazy(SimModel):
        def draw(self, jobs: Any, **options: Any) -> Any:
            del options
            yield from super().draw(jobs[:1])

    with pytest.raises(UnavailableError, match="without an answer") as caught:
        measure(desk_boundary(settings=BASE_ONLY, subject=in_process(Lazy())), tmp_path)
    assert caught.value.code == "B510"
    assert list(read_answers(tmp_path, Draw))  # what was answered stays


def test_L19_a_model_that_is_stopped_in_the_middle_of_a_batch_goes_on_to_the_same_diagnosis(tmp_path: Path) -> None:
    one = measure(desk_boundary(settings=BASE_ONLY, subject=in_process(SimModel())), tmp_path / "whole")
    run = desk_boundary(settings=BASE_ONLY, subject=in_process(SimModel()))

    class Watch(Unwatched):
        seen = 0

        def drawn(self, draw: Draw) -> None:
            del draw
            self.seen += 1
            if self.seen == 11:
                run.stop("interrupted")

    cut = measure(run, tmp_path / "parts", watch=Watch())
    assert (cut.complete, cut.ended) == (False, "interrupted")
    held = {draw.key for draw in read_answers(tmp_path / "parts", Draw)}
    assert 11 <= len(held) < one.draws
    again = desk_boundary(settings=BASE_ONLY, subject=in_process(SimModel()))
    parts = measure(again, tmp_path / "parts", resume=True)
    assert bare(parts) == bare(one)
    begun = begun_times(tmp_path / "parts")
    assert all(begun[key] == 1 for key in held)


def test_a_cap_ends_a_model_too(tmp_path: Path) -> None:
    found = measure(desk_boundary(settings=BASE_ONLY, subject=in_process(SimModel())), tmp_path, caps=Caps(calls=13))
    assert (found.draws, found.ended) == (13, "the cap of 13 calls was reached")


def test_what_a_model_raises_comes_out_as_it_is(tmp_path: Path) -> None:
    def says(job: Job, seed: int) -> Answered | None:
        raise UnavailableError(f"no weights for {job.id}", code="B399")

    with pytest.raises(UnavailableError, match="no weights") as caught:
        measure(desk_boundary(settings=BASE_ONLY, subject=in_process(SimModel(says=says))), tmp_path)
    assert caught.value.code == "B399"


# --- inside


def test_where_nothing_can_be_seen_inside_the_rest_stands_and_the_reason_is_said(tmp_path: Path) -> None:
    found = measure(desk_boundary(settings=INSIDE), tmp_path / "endpoint")
    assert found.complete
    assert (found.inside, found.joint) == (None, None)
    assert "inside: the target gives its answers only: nothing is known of its inside" in found.notes
    assert read_stability(tmp_path / "endpoint") == found


def test_readings_that_fail_are_missing_signals_with_their_reason(tmp_path: Path) -> None:
    found = measure(desk_boundary(settings=INSIDE, subject=in_process(SimModel(), looks=True)), tmp_path)
    assert found.inside is not None or any(note.startswith("inside: ") for note in found.notes)
    if found.inside is not None:
        assert found.inside.missing
        assert found.joint is not None
        assert "no draws of rungs were given" not in found.joint.missing.values()
    assert read_stability(tmp_path) == found


# --- a folder that is none, or was touched


def prompts_changed(folder: Path) -> None:
    text = (folder / STANDING).read_text()
    (folder / STANDING).write_text(text.replace("Please", "Kindly", 1).replace("booking", "order", 1))


def standing_cut(folder: Path) -> None:
    (folder / STANDING).write_bytes((folder / STANDING).read_bytes()[:500])


def standing_gone(folder: Path) -> None:
    (folder / STANDING).unlink()


def journal_gone(folder: Path) -> None:
    (folder / "journal.sqlite").unlink()


def vectors_broken(folder: Path) -> None:
    (folder / VECTORS).write_bytes(b"PK no archive")


TOUCHED: dict[str, tuple[Callable[[Path], None], str]] = {
    "the prompts were changed": (prompts_changed, "B512"),
    "half of it is gone": (standing_cut, "B513"),
    "it is gone": (standing_gone, "B513"),
    "the journal is gone": (journal_gone, "R103"),
    "the vectors are none": (vectors_broken, "B511"),
}


@pytest.mark.parametrize(("touch", "code"), TOUCHED.values(), ids=TOUCHED)
def test_a_folder_that_was_touched_is_no_run(
    whole: tuple[Path, Diagnosis, StabilityRun], tmp_path: Path, touch: Callable[[Path], None], code: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole[0], folder)
    touch(folder)
    with pytest.raises(UntrustedInputError) as caught:
        read_stability(folder)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_a_folder_of_another_kind_of_run_is_refused(tmp_path: Path) -> None:
    execute(desk_run(rounds=1), tmp_path)
    with pytest.raises(UntrustedInputError) as caught:
        read_stability(tmp_path)
    assert caught.value.code == "R104"
