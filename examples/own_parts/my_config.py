# AMD on pictures, with the parts in my_parts.py beside this file.
_base_ = ['amd_mm::amd/amd_vit-small-p16_b4096-800e_in1k.py']
custom_imports = dict(imports=['my_parts'])

alignment = dict(_delete_=True, type='CharbonnierAlignment', epsilon=1e-3, loss_weight=1.)
model = dict(
    mask_generator=dict(strategy=dict(_delete_=True, type='RimFirst')),
    neck=dict(direct=alignment, generation=alignment))
