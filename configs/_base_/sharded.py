# Weights, gradients and optimizer of the student shared out over the processes, block by block;
# with model.teacher.shard=True the teacher's weights too. See docs/recipes.md.
runner_type = 'FlexibleRunner'
strategy = dict(type='amd_mm.ShardingStrategy')
