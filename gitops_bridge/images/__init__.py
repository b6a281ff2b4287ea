"""What runs inside the build Job: fetch the model, write the build context, append the layer."""
