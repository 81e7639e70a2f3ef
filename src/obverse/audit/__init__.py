"""Checked + finished transcript → findings. An audit is `decide`, folded over the steps (L04); it judges nothing itself."""
