"""Layer-wise LRs: timm's lr_scale in the groups, and groups made by param_groups, under every schedule."""

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, loader, sgd, trainer
from torch import nn

from lr_callbacks import (
    CosineAnnealing,
    LRRangeTest,
    OneCycle,
    ReplaceSchedulers,
    StepDecay,
    TorchScheduler,
    Warmup,
    lr_range_test,
    param_groups,
    preview,
)


def scaled(lrs=(0.1, 0.1), scales=(0.32, 1.0), **kwargs):
    """SGD whose groups have timm's lr_scale."""

    def build(parts):
        groups = [
            {"params": list(part.parameters()), "lr": lr, **({} if scale is None else {"lr_scale": scale})}
            for part, lr, scale in zip(parts, lrs, scales, strict=False)
        ]
        return torch.optim.SGD(groups, lr=0.1, momentum=0.9, **kwargs)

    return build


def ratios(recorder):
    return {round(low / high, 12) for low, high in recorder.lrs[0] if high}


SCHEDULES = {
    "OneCycle": lambda: OneCycle(),
    "OneCycle, absolute peak": lambda: OneCycle(max_lr=0.3),
    "cosine, absolute floor": lambda: CosineAnnealing(eta_min=0.01),
    "warm-up": lambda: Warmup(5),
    "torch's": lambda: TorchScheduler(torch.optim.lr_scheduler.StepLR, step_size=3),
    "torch's, absolute": lambda: TorchScheduler(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.3, total_steps=10),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_scale_multiplies_what_any_schedule_gives(name):
    seen = fit(SCHEDULES[name](), module=Net(scaled()))
    alone = fit(SCHEDULES[name](), module=Net(sgd((0.1, 0.1))))
    assert ratios(seen) == {0.32}
    assert seen.of_group(1) == pytest.approx(alone.of_group(1), rel=1e-12)


def test_the_plan_says_it(caplog):
    with caplog.at_level("INFO"):
        fit(OneCycle(), module=Net(scaled()))
    assert "lr_scale of the groups, 0.32 to 1, is part of their base LRs" in caplog.text


def test_a_group_without_a_scale_has_that_of_one():
    assert ratios(fit(OneCycle(), module=Net(scaled(scales=(0.5, None))))) == {0.5}
    assert fit(StepDecay(20), module=Net(scaled(lrs=(0.1, 0.3), scales=(0.5, None)))).lrs[0][0] == [0.05, 0.3]


def test_a_scale_that_the_lrs_contain_is_not_applied_again():
    seen = fit(StepDecay(20), module=Net(scaled(lrs=(0.032, 0.1))))
    assert seen.lrs[0][0] == pytest.approx([0.032, 0.1])
    floor = fit(CosineAnnealing(eta_min=0.01), module=Net(scaled(lrs=(0.032, 0.1))))
    assert ratios(floor) == {0.32}


def test_a_second_fit_with_the_same_optimizer_applies_it_once():
    for scales in ((0.32, 1.0), (0.5, 0.5)):
        net = Net(scaled(scales=scales))
        optimizer = net.configure_optimizers()
        net.configure_optimizers = lambda optimizer=optimizer: optimizer
        first, again = fit(CosineAnnealing(), module=net), fit(CosineAnnealing(), module=net)
        assert first.lrs == again.lrs
        assert first.lrs[0][0] == pytest.approx([0.1 * scale for scale in scales])


def test_an_optimizer_that_applies_it_itself_is_left_alone():
    class Own(torch.optim.SGD):
        def __init__(self, params, lr, lr_scale=1.0):
            super().__init__(params, lr)
            self.defaults["lr_scale"] = lr_scale

    net = Net(lambda parts: Own([{"params": list(p.parameters()), "lr_scale": 0.5} for p in parts], lr=0.1))
    assert fit(StepDecay(20), module=net).of_group() == [0.1] * 10


@pytest.mark.parametrize("scale", [-1.0, float("nan"), "half", True])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(MisconfigurationException, match=r"lr_scale of group 0 of optimizer 0 \(SGD\) must be a finite"):
        fit(OneCycle(), module=Net(scaled(scales=(scale, 1.0))))


@pytest.mark.parametrize("now", [0.32, 0.5])
def test_a_run_resumes_with_the_scales_of_today(now, tmp_path):
    def callbacks():
        return [Warmup(2), CosineAnnealing(eta_min=0.01)]

    saver = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=5, save_top_k=-1)
    whole = fit(*callbacks(), saver, module=Net(scaled()), enable_checkpointing=True)
    net = Net(scaled(scales=(now, 1.0)))
    if now == 0.32:
        assert fit(*callbacks(), module=net, ckpt_path=tmp_path / "step=5.ckpt").lrs[0] == whole.lrs[0][5:]
    else:
        with pytest.warns(
            UserWarning, match=r"configured LR of group 0 .* is 0.05; it was 0.032 in the checkpoint. Using 0.05"
        ):
            rest = fit(*callbacks(), module=net, ckpt_path=tmp_path / "step=5.ckpt")
        assert ratios(rest) == {0.5}
        assert rest.of_group(1) == pytest.approx(whole.of_group(1)[5:], rel=1e-12)


def test_a_group_that_is_added_later_has_its_scale_too():
    class Adds(Net):
        def configure_optimizers(self):
            return torch.optim.SGD([{"params": self.body.parameters(), "lr_scale": 1.0}], lr=0.1)

        def on_train_epoch_start(self):
            if self.current_epoch == 1:
                self.optimizers().add_param_group({"params": list(self.head.parameters()), "lr": 0.1, "lr_scale": 0.25})

    seen = fit(StepDecay(5, gamma=0.5), module=Adds(), batches=4, max_epochs=3)
    assert {len(lrs) for lrs in seen.lrs[0][4:]} == {2}
    assert seen.lrs[0][5:][-1][1] / seen.lrs[0][5:][-1][0] == pytest.approx(0.25)


def test_a_range_test_sweeps_in_the_ratio_of_the_scales(tmp_path):
    test = LRRangeTest(num_steps=20, max_lr=1.0)
    seen = fit(test, module=Net(scaled()), batches=30)
    assert ratios(seen) == {0.32}
    assert seen.of_group(1)[0] == pytest.approx(test.result.suggestion)
    seen = tmp_path / "ratios"  # a list would be put back to what it was before the test

    def write(optimizer, args, kwargs):
        low, high = (group["lr"] for group in optimizer.param_groups)
        with seen.open("a", encoding="utf-8") as file:
            file.write(f"{low / high:.9f}\n")

    def watched(parts):
        optimizer = scaled()(parts)
        optimizer.register_step_pre_hook(write)
        return optimizer

    lr_range_test(trainer(max_epochs=1), Net(watched), train_dataloaders=loader(30), test=LRRangeTest(num_steps=20))
    assert set(seen.read_text(encoding="utf-8").split()) == {"0.320000000"}


def test_a_scheduler_of_the_module_is_replaced_with_the_scales_applied_once():
    class Packaged(Net):
        def configure_optimizers(self):
            optimizer = super().configure_optimizers()
            return [optimizer], [torch.optim.lr_scheduler.LinearLR(optimizer)]

    seen = fit(StepDecay(20), ReplaceSchedulers(), module=Packaged(scaled()))
    assert seen.lrs[0][0] == pytest.approx([0.032, 0.1])


# ---------------------------------------------------------------------- param_groups
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.mlp = nn.LayerNorm(4), nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4))


class Vit(nn.Module):
    """The layout of a vision transformer."""

    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.patch_embed = nn.Linear(4, 4)
        self.blocks = nn.Sequential(Block(), Block())
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, 2)


def names(groups, module):
    known = {id(parameter): name for name, parameter in module.named_parameters()}
    return {group["name"]: [known[id(parameter)] for parameter in group["params"]] for group in groups}


def test_layers_are_found_from_input_to_output():
    vit = Vit()
    groups = param_groups(vit, layer_decay=0.5)
    assert names(groups, vit) == {
        "layer_0": ["cls_token", "patch_embed.weight"],
        "layer_0_no_decay": ["patch_embed.bias"],
        "layer_1": ["blocks.0.mlp.0.weight", "blocks.0.mlp.2.weight"],
        "layer_1_no_decay": [
            "blocks.0.norm.weight", "blocks.0.norm.bias", "blocks.0.mlp.0.bias", "blocks.0.mlp.2.bias",
        ],
        "layer_2": ["blocks.1.mlp.0.weight", "blocks.1.mlp.2.weight"],
        "layer_2_no_decay": [
            "blocks.1.norm.weight", "blocks.1.norm.bias", "blocks.1.mlp.0.bias", "blocks.1.mlp.2.bias",
            "norm.weight", "norm.bias",
        ],
        "layer_3": ["head.weight"],
        "layer_3_no_decay": ["head.bias"],
    }  # fmt: skip
    assert [group["lr_scale"] for group in groups] == [0.125, 0.125, 0.25, 0.25, 0.5, 0.5, 1.0, 1.0]
    assert [group.get("weight_decay") for group in groups] == [None, 0.0] * 4


def test_a_wrapper_around_the_network_makes_no_difference():
    net = Net()
    net.body = Vit()
    inside = [group["name"] for group in param_groups(net, layer_decay=0.5)]
    assert inside[-1] == "layer_4_no_decay"
    both = nn.Sequential(Vit(), nn.Linear(2, 2))
    assert param_groups(both, layer_decay=0.5)[-1]["name"] == "layer_4_no_decay"


@pytest.mark.parametrize("lr", [None, 0.1])
def test_one_line_in_configure_optimizers_is_enough(lr):
    class Mine(Net):
        def configure_optimizers(self):
            return torch.optim.AdamW(param_groups(self, lr=lr, layer_decay=0.5, weight_decay=0.05), lr=0.1)

    seen = fit(Warmup(3), CosineAnnealing(), module=Mine())
    expected = preview([Warmup(3), CosineAnnealing()], 0.1, total_steps=10)[:, 0].tolist()
    assert seen.of_group(2) == pytest.approx(expected, rel=1e-12)
    assert seen.of_group(0) == pytest.approx([lr / 2 for lr in expected], rel=1e-12)
    wanted = fit(Warmup(3, groups="layer_0*"), StepDecay(20), module=Mine())
    assert wanted.lrs[0][0] == pytest.approx([0.05 / 3, 0.05 / 3, 0.1, 0.1])


def test_without_layers_there_are_two_groups():
    vit = Vit()
    vit.no_weight_decay = lambda: {"cls_token"}
    vit.head.weight.requires_grad = False
    groups = param_groups(vit, weight_decay=0.1, no_decay=["patch_*"])
    assert [(group["name"], group["weight_decay"], len(group["params"])) for group in groups] == [
        ("decay", 0.1, 4), ("no_decay", 0.0, 4 + 4 + 2 + 1 + 2 + 1),
    ]  # fmt: skip
    assert [group["name"] for group in param_groups(vit, no_decay=False)] == ["decay"]


def test_stages_of_blocks_are_as_many_layers_as_they_have_blocks():
    stages = nn.Sequential(*(nn.ModuleDict({"blocks": nn.Sequential(Block(), Block())}) for _ in range(3)))
    assert param_groups(stages, layer_decay=0.5)[-1]["name"] == "layer_5_no_decay"


def test_layers_can_be_named():
    vit = Vit()
    groups = param_groups(vit, layer_decay=0.1, no_decay=False, layers=["patch*", "blocks.*"])
    assert {group["name"]: len(group["params"]) for group in groups} == {"layer_0": 2, "layer_1": 17}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer_decay": 1.5}, "layer_decay must be above 0 and at most 1, got 1.5"),
        ({"weight_decay": -1}, "weight_decay must be at least 0"),
        ({"lr": "0.1"}, "lr must be a number"),
        ({"no_decay": ["nothing*"]}, "no_decay must be patterns of parameter names, such as 'cls_token', got 'nothing"),
        ({"layers": "blocks"}, r"layers must be a list of names or patterns"),
        ({"layers": []}, "layers must be at least one pattern"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        param_groups(Vit(), **arguments)
    with pytest.raises((TypeError, ValueError), match="module must be"):
        param_groups(nn.Tanh())


def test_groups_of_timms_own_train_as_under_its_scheduler():
    timm = pytest.importorskip("timm", exc_type=Exception)
    from timm.optim import create_optimizer_v2
    from timm.scheduler import CosineLRScheduler

    net, steps = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2), 10

    def optimizer(parts=None):
        return create_optimizer_v2(net, "sgd", lr=0.1, layer_decay=0.5)

    arguments = {"t_initial": steps, "lr_min": 0.01, "warmup_t": 3, "warmup_lr_init": 0.001, "t_in_epochs": False}
    native, lrs = optimizer(), []
    scheduler = CosineLRScheduler(native, **arguments)
    for step in range(steps):
        lrs.append([group["lr"] for group in native.param_groups])
        scheduler.step_update(step + 1)
    seen = fit(TorchScheduler(CosineLRScheduler, **arguments), module=Net(optimizer))
    assert len(lrs[0]) > 4
    for row, native_row in zip(seen.lrs[0], lrs, strict=True):
        assert row == pytest.approx(native_row, rel=1e-12)
