import zipfile

import pytest
from pydicom.uid import UID, RLELossless
from pynetdicom import build_context
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet

from dicom_factory import phase_array, uid, write_phase
from hcnet.errors import InputError
from hcnet.pacs.contexts import MAX_CONTEXTS, to_receive, to_send
from hcnet.pacs.outgoing import Outgoing, collect
from hcnet.volumes.dicom.files import DicomFile

MR = "1.2.840.10008.5.1.4.1.1.4"


def test_folders_zips_and_files_with_other_things_among_them(tmp_path):
    first = write_phase(tmp_path / "a", phase_array(0))
    (tmp_path / "a" / "notes.txt").write_text("hello")
    second = write_phase(tmp_path / "b", phase_array(0), series=4, compressed=True)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for path in second:
            archive.write(path, path.name)
    items = collect([tmp_path / "a", tmp_path / "b.zip", first[0]])
    assert len(items) == len(first) + len(second)
    assert {item.syntax for item in items[8:]} == {RLELossless}
    assert items[0].sop_uid == uid("object", "P1", "S1", 3, 1)
    assert items[0].read() == first[0].read_bytes()
    assert items[-1].read() == second[-1].read_bytes()


def test_what_cannot_be_sent(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    with pytest.raises(InputError, match="is not DICOM"):
        collect([text])
    with pytest.raises(InputError, match="no DICOM file"):
        collect([tmp_path])
    with pytest.raises(InputError, match="no such file"):
        collect([tmp_path / "none"])
    old = write_phase(tmp_path / "old", phase_array(0))[0]
    data = old.read_bytes()
    start = 144 + int.from_bytes(data[140:144], "little")
    old.write_bytes(data[start:])  # as files were before they had a header of their own
    with pytest.raises(InputError, match="no transfer syntax"):
        collect([tmp_path / "old"])


def item(sop_class: str, syntax: str) -> Outgoing:
    return Outgoing(DicomFile(__file__), sop_class, "1.2", syntax)  # type: ignore[arg-type]


def test_each_file_has_a_context_of_its_own_syntax_and_no_association_has_too_many():
    items = [item(f"1.2.{n}", str(RLELossless)) for n in range(200)]
    batches = list(to_send(items))
    assert [len(batch) for batch, _ in batches] == [128, 72]
    for batch, contexts in batches:
        offered = {(c.abstract_syntax, c.transfer_syntax[0]) for c in contexts}
        assert offered == {(i.sop_class, i.syntax) for i in batch}


def test_what_is_not_compressed_may_travel_in_the_syntax_that_everybody_knows():
    ((_, contexts),) = to_send([item(MR, "1.2.840.10008.1.2.1.99")])
    assert [UID(c.transfer_syntax[0]).name for c in contexts] == [
        "Deflated Explicit VR Little Endian",
        "Explicit VR Little Endian",
        "Implicit VR Little Endian",
    ]


@pytest.mark.parametrize("classes", [(), ("1.2.3", MR), [f"1.2.{n}" for n in range(300)]])
def test_what_may_be_received(classes):
    get = build_context(StudyRootQueryRetrieveInformationModelGet)
    contexts, roles = to_receive(classes, get)
    assert len(contexts) <= MAX_CONTEXTS
    assert contexts[0] is get
    offered = {c.abstract_syntax for c in contexts[1:]}
    assert {r.sop_class_uid for r in roles} == offered
    assert set(list(classes)[:127]) <= offered
    assert classes[300 - 1 :] or (MR in offered)
