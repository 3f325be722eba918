"""What is left of a worker that died."""

from micromet_path.apps.batch import limits


def test_a_library_that_is_being_imported_does_not_hide_where_the_program_was(tmp_path):
    note = tmp_path / "note"
    imports = [f'  File "/lib/numba/part{n}.py", line 3 in <module>' for n in range(90)]
    own = '  File "/opt/micromet_path/pipeline/flow.py", line 126 in analyze_slide'
    note.write_text("\n".join([f"{limits._PID}12", "Fatal Python error: Segmentation fault", *imports, own]))
    trace = limits.read_note(note).trace.splitlines()
    assert trace[0] == "Fatal Python error: Segmentation fault"
    assert "analyze_slide" in trace[-1]
    assert len(trace) < 50
