"""Knowledge distillation that yields events: data, networks, losses and one training loop, without any screen."""
