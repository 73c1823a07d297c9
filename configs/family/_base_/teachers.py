# Foundation models as teachers, without their taps: `**_base_.dinov2_large` in a recipe. Names and
# pixel statistics are timm's. Weights: --cfg-options model.teacher.checkpoint=FILE
dinov2_large = dict(type='amd_mm.TimmTeacher', architecture='vit_large_patch14_dinov2.lvd142m')
dinov3_large = dict(type='amd_mm.TimmTeacher', architecture='vit_large_patch16_dinov3.lvd1689m')
clip_base = dict(
    type='amd_mm.TimmTeacher', architecture='vit_base_patch16_clip_quickgelu_224.openai')
mae_base = dict(type='amd_mm.TimmTeacher', architecture='vit_base_patch16_224.mae')
