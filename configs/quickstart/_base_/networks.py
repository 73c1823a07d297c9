# The two encoders of the quickstart; clips of 8 frames of 32 x 32 pixels, 4 x 4 x 4 tokens.
clip = dict(img_size=32, patch_size=8, num_frames=8)
teacher_vit = dict(embed_dims=144, depth=6, num_heads=3, **clip)
student_vit = dict(embed_dims=96, depth=4, num_heads=3, **clip)
