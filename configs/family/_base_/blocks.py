# V-JEPA's long-range masks (arXiv 2404.08471): two large blocks, the same in every frame.
long_range = dict(type='amd_mm.MultiBlockMasking', num_blocks=2, area=0.7, aspect=[0.75, 1.5])
