"""Settings: presets, files, overrides, and what is refused."""

import subprocess
import sys

import pytest

from hcnet.config import Config, config_from, load_config, preset_names
from hcnet.errors import ConfigError


def test_the_paper_preset_holds_the_papers_values():
    config = load_config("paper")
    assert config == Config()
    assert (config.kinetics.k, config.kinetics.beta, config.kinetics.scale) == (10, 0.25, "minmax")
    assert (config.kinetics.lr, config.kinetics.lr_halve_every) == (0.005, 50)
    assert config.kinetics.epochs == 300
    assert (config.hipm.lr, config.hipm.epochs, config.hipm.network.name) == (0.001, 1000, "uxnet")
    assert (config.kis.lr, config.kis.epochs, config.kis.network.name) == (0.005, 300, "kisnet")
    assert (config.kis.lambda_, config.kis.lambda_on) == (5.0, "bce")
    assert config.validation_share == 0.2


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_can_be_read_and_survives_json(name):
    config = load_config(name)
    assert config_from(config.model_dump(mode="json", by_alias=True), "copy") == config


def test_presets_extend_each_other():
    small, ispy1 = load_config("small"), load_config("ispy1-small")
    assert ispy1.kinetics.scale == "relative"
    assert ispy1.kis.schedule == small.kis.schedule == "cosine"


def test_overrides_and_files(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('extends = "demo"\n[kis]\nlr = 0.1\n')
    config = load_config("paper", file, ["kinetics.k=4", "kinetics.scale=relative", "seed=7"])
    demo = load_config("demo")
    assert config.kis.lr == 0.1
    assert config.kis.epochs == demo.kis.epochs
    assert (config.kinetics.k, config.kinetics.scale, config.seed) == (4, "relative", 7)


def test_another_network_brings_its_own_options():
    config = load_config("small", None, ["hipm.network.name=resunet"])
    assert config.hipm.network.options == {}
    wider = load_config("small", None, ["hipm.network.options.hidden=96"])
    assert wider.hipm.network.options == {"dims": [16, 32, 64, 128], "hidden": 96}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("kinetics.kk=4", r"kinetics\.kk"),
        ("kinetics.k=0", r"kinetics\.k"),
        ("kis.maps=fuzzy", r"kis\.maps"),
        ("validation_share=1.5", "validation_share"),
        ("=", "section.name=value"),
    ],
)
def test_wrong_settings_are_named(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config("paper", None, [override])


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("kis.rl=1", "--set kis.rl=1: there is no setting kis.rl; did you mean kis.lr?"),
        ("epochs=1", "did you mean kinetics.epochs or hipm.epochs or kis.epochs?"),
        ("kinetic.k=4", "there is no setting kinetic; did you mean kinetics?"),
        ("kis.lambd=4", "did you mean kis.lambda?"),
        ("hipm.network.name=uxnett", "there is no network uxnett; .* did you mean uxnet?"),
        ("networks.vnett.depth=3", "there is no network vnett; .* did you mean vnet?"),
        ("qqqq=1", "there is no setting qqqq."),
        ("kinetics.k=0", "--set kinetics.k=0: setting kinetics.k: "),
    ],
)
def test_an_unknown_name_comes_with_the_nearest(override, sentence):
    with pytest.raises(ConfigError, match=sentence.replace("?", r"\?")):
        load_config("paper", None, ["seed=1", override])


def test_an_unknown_name_in_a_file_names_the_file(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[kis]\nepoch = 3\n")
    with pytest.raises(
        ConfigError, match=r"mine\.toml: there is no setting kis\.epoch; did you mean"
    ):
        load_config("paper", file)


def test_the_config_json_of_a_run_replaces_the_preset(tmp_path):
    config = load_config("small", None, ["hipm.network.name=resunet", "seed=3"])
    file = tmp_path / "config.json"
    file.write_text(config.model_dump_json(by_alias=True))
    assert load_config("demo", file) == config
    assert load_config("demo", file, ["seed=4"]) == config.model_copy(update={"seed": 4})
    file.write_text("[]")
    with pytest.raises(ConfigError, match=r"config\.json: is no config\.json of a run"):
        load_config("demo", file)


def test_unknown_preset_and_broken_file(tmp_path):
    with pytest.raises(ConfigError, match=r"there are: ablation, .*, demo, ispy1-small"):
        load_config("big")
    with pytest.raises(ConfigError, match=r"did you mean small\?"):
        load_config("smal")
    file = tmp_path / "broken.toml"
    file.write_text("seed = ")
    with pytest.raises(ConfigError, match=r"broken\.toml"):
        load_config("paper", file)
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        load_config("paper", tmp_path / "absent.toml")


@pytest.mark.parametrize("module", ["hcnet.config", "hcnet.cli.main"])
def test_importing_does_not_import_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
